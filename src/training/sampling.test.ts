/** Which examples come when: epochs, mixed corpora, batches with little padding. */
import { expect, test } from 'vitest';
import { batchSize, type Example, paddingShares } from './batches.ts';
import { corpusShares, type SamplingOptions, sampleBatches } from './sampling.ts';

const example = (window: number, tokens = 1, more: Partial<Example> = {}): Example => ({
  clip: { frames: new Float32Array(0), window, length: window, width: 8 },
  tokens: new Array(tokens).fill(1),
  promptLength: 1,
  ...more,
});
const many = (count: number, make: (i: number) => Example) =>
  Array.from({ length: count }, (_, i) => make(i));
function take(examples: readonly Example[], count: number, options: Partial<SamplingOptions> = {}) {
  const batches = sampleBatches(examples, { batchSize: 4, seed: 1, ...options });
  return Array.from({ length: count }, () => batches.next().value);
}
const sorted = (indices: readonly number[]) => [...indices].sort((a, b) => a - b);

test('each epoch of batches sees every example once, in an order that only the seed decides', () => {
  const examples = many(64, (i) => example(i));
  const epoch = (seed: number) => take(examples, 16, { seed });
  expect(sorted(epoch(1).flat())).toEqual(examples.map((_, i) => i));
  expect(epoch(1)).toEqual(epoch(1));
  expect(epoch(1)).not.toEqual(epoch(2));
});

test('a corpus of fewer examples than a pool holds: none is in a batch twice', () => {
  const examples = many(24, (i) => example(i));
  const batches = take(examples, 60, { batchSize: 8 });
  for (const batch of batches) expect(new Set(batch).size).toBe(8);
  for (let i = 0; i < 60; i += 3) expect(new Set(batches.slice(i, i + 3).flat()).size).toBe(24);
});

test('batches of long clips have fewer clips, and none is skipped', () => {
  const examples = many(32, (i) => example(i < 16 ? 100 : 400));
  const batches = take(examples, 24, { batchSize: 8, maxFrames: 1600 });
  for (const batch of batches) {
    expect(batch.length * Math.max(...batch.map((i) => examples[i]!.clip.window))).toBeLessThanOrEqual(1600);
  }
  expect(new Set(batches.flat()).size).toBe(32);
});

test('corpora have the shares that weights and temperature give them', () => {
  const mixture = { weights: [1, 1, 2], temperature: 2 };
  // √100 : √400 : 2·√900
  expect(corpusShares([100, 400, 900], mixture)).toEqual([10 / 90, 20 / 90, 60 / 90]);
  expect(corpusShares([100, 300], { weights: [1, 1], temperature: 1 })).toEqual([0.25, 0.75]);
  corpusShares([100, 900], { weights: [1, 3], temperature: 1e9 }).forEach((share, i) => {
    expect(share).toBeCloseTo([0.25, 0.75][i]!, 6);
  });
  const corpusOf = (i: number) => (i < 100 ? 0 : i < 500 ? 1 : 2);
  const examples = many(1400, (i) => example(160 + (i % 7), 1 + (i % 5), { corpus: corpusOf(i) }));
  const drawn = take(examples, 900, { mixture }).flat();
  const counts = [0, 1, 2].map((corpus) => drawn.filter((i) => corpusOf(i) === corpus).length);
  [400, 800, 2400].forEach((expected, i) => {
    expect(Math.abs(counts[i]! - expected)).toBeLessThanOrEqual(3);
  });
  // 400 draws of 100 examples: four epochs, whose ends may lie in a pool that is not drawn to its end.
  const times = new Map<number, number>();
  for (const i of drawn) if (corpusOf(i) === 0) times.set(i, (times.get(i) ?? 0) + 1);
  expect([...times.values()].every((count) => count >= 3 && count <= 5)).toBe(true);
});

test('equal weights at temperature 1 are the corpora laid together: every example once an epoch', () => {
  const examples = many(128, (i) => example(i, 1, { corpus: i < 32 ? 0 : 1 }));
  const mixture = { weights: [1, 1], temperature: 1 };
  expect(sorted(take(examples, 32, { mixture }).flat())).toEqual(examples.map((_, i) => i));
});

test('no batch has more padding than allowed, in frames or in tokens; what there is is counted', () => {
  const examples = many(400, (i) => example(160 + ((i * 37) % 900), 5 + ((i * 13) % 60)));
  const sizes = (maxPadding: number) =>
    take(examples, 100, { batchSize: 16, maxPadding }).map((batch) =>
      batchSize(batch.map((i) => examples[i]!)),
    );
  for (const size of sizes(0.2)) {
    expect(size.paddedFrames / size.frames).toBeLessThanOrEqual(0.2 + 1e-9);
    expect(size.paddedPositions / size.positions).toBeLessThanOrEqual(0.2 + 1e-9);
  }
  expect(sizes(1).some((size) => size.paddedPositions / size.positions > 0.25)).toBe(true);
  expect(batchSize([example(100, 5), example(300, 9)])).toEqual({
    clips: 2,
    frames: 600,
    paddedFrames: 200,
    positions: 16,
    paddedPositions: 4,
  });
  const one = { clips: 1, frames: 100, paddedFrames: 0, positions: 10, paddedPositions: 5 };
  expect(paddingShares([one, { ...one, frames: 300, paddedFrames: 100 }])).toEqual({
    frames: 0.25,
    tokens: 0.5,
  });
});
