import { expect, test } from 'vitest';
import { sfc32, uniform } from '../random.ts';
import { CentroidInteraction, COSINE_STEPS, LANES } from './centroid-interaction.ts';

test('scores of bags of centroids are those of a plain loop', () => {
  const random = sfc32(1);
  const below = (n: number) => Math.floor(n * uniform(random));
  const shared = (weights: number[]) => {
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((w) => w / sum);
  };
  const k = 50;
  const bags = Array.from({ length: 30 }, (_, i) => {
    const centroids = [...new Set(Array.from({ length: i === 3 ? 0 : 1 + below(20) }, () => below(k)))];
    return { centroids, shares: shared(centroids.map(() => 1 + below(9))) };
  });
  const interaction = new CentroidInteraction(bags);
  // One register, several, and several fours of them; a later source may be the larger.
  for (const frames of [5, 16, 100, 200]) {
    const padded = Math.ceil(frames / LANES) * LANES;
    const cosines = Uint8Array.from({ length: k * padded }, () => below(256));
    const row = (c: number) => [...cosines.subarray(c * padded, c * padded + frames)];
    const best = Uint8Array.from({ length: k }, (_, c) => Math.max(...row(c)));
    const shares = new Float32Array(padded);
    shares.set(shared(Array.from({ length: frames }, () => 1 + below(9))));
    const { precision, recall } = interaction.scores({ cosines, best, shares });
    bags.forEach(({ centroids, shares: own }, i) => {
      if (centroids.length === 0) {
        expect([precision[i], recall[i]]).toEqual([-1, -1]);
        return;
      }
      const nearest = Array.from({ length: frames }, (_, t) => Math.max(...centroids.map((c) => row(c)[t]!)));
      const mean = (values: number[], weights: ArrayLike<number>) =>
        values.reduce((sum, value, j) => sum + value * weights[j]!, 0) / COSINE_STEPS - 1;
      expect(precision[i]!).toBeCloseTo(mean(nearest, shares), 2);
      expect(recall[i]!).toBeCloseTo(
        mean(
          centroids.map((c) => best[c]!),
          own,
        ),
        2,
      );
    });
  }
});
