/**
 * Optimal transport between the frames of two clips (Word Mover's Distance of Kusner et al. 2015, on frames): each frame
 * of the one is moved to frames of the other, all of both are used up, and the least cost of this is their distance.
 * SeqSim lets many frames match the same one; here none can take more than its share. With entropy, which
 * makes it a few matrix–vector products (Sinkhorn; Cuturi 2013). Written here because no kept library for JavaScript does
 * it in batches.
 */

import type { Runtime } from '../backend/runtime.ts';
import { clampMin, div, exp, matmul, max, mul, reshape, scale, sub, sum, transpose } from '../graph/ops.ts';
import type { BlockScore } from './block-comparison.ts';
import { blockMatrix } from './block-matrix.ts';
import type { ComparedClip } from './clip-blocks.ts';

/**
 * Weight of the entropy, in units of the cosine. Costs 1 − cos are within [0, 2], so that exp(−cost / ε) stays above
 * float32's least number and the plain iteration is exact enough: the logarithmic one takes ten times as long.
 */
const EPSILON = 0.05;
/** On speech the cost is then within 2e-4 of its limit. */
const ITERATIONS = 30;

const transport: BlockScore = {
  outputs: (cosines, sourceWeights, targetWeights) => {
    const pairs = transpose(cosines, [0, 2, 1, 3]); // [p, q, a, b]
    // Less each row's largest: a factor of u, and nothing overflows.
    const kernel = exp(scale(sub(pairs, max(pairs, 3)), 1 / EPSILON));
    const a = reshape(sourceWeights, ['p', 1, 1, 'a']);
    const b = reshape(targetWeights, [1, 'q', 'b', 1]);
    const positive = (x: typeof kernel) => clampMin(x, 1e-30);
    const turned = (x: typeof kernel) => transpose(x, [0, 1, 3, 2]);
    let v = b;
    let u = div(a, positive(turned(matmul(kernel, v)))); // [p, q, 1, a]
    for (let i = 1; i < ITERATIONS; i++) {
      v = div(b, positive(turned(matmul(u, kernel)))); // [p, q, b, 1]
      u = div(a, positive(turned(matmul(kernel, v))));
    }
    // Σ plan · cos: the plan is u ∘ kernel ∘ v, and its rows sum to a, so that this is 1 − the cost.
    return { similarity: sum(matmul(matmul(u, mul(kernel, pairs)), v), [2, 3]) }; // [p, q, 1, 1]
  },
  score: ({ similarity }) => similarity!,
};

/**
 * 1 − the cost of moving the one's frames to the other's by 1 − cos; 0 where a clip has no frames.
 * @returns [sources, targets], row by row
 */
export function transportMatrix(
  runtime: Runtime,
  sources: readonly ComparedClip[],
  targets: readonly ComparedClip[],
  onProgress?: (pairs: number) => void,
): Promise<Float32Array> {
  return blockMatrix(runtime, transport, sources, targets, onProgress);
}
