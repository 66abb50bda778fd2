/** What tests of losses and gradients against PyTorch's share. */

import { float32, gradientOutput, type HostTensor, int64 } from '../backend/runtime.ts';
import type { Graph } from '../graph/graph.ts';
import { causalBias } from '../whisper/causal-bias.ts';

/**
 * The inputs of a training graph that come from texts of equal length; the loss is the mean over the labels.
 * @param labels −1 where a position does not count
 */
export function textFeeds(
  inputTokens: readonly (readonly number[])[],
  labels: readonly (readonly number[])[],
): Record<string, HostTensor> {
  const [texts, length] = [inputTokens.length, inputTokens[0]!.length];
  const all = labels.flat();
  const counted = all.filter((label) => label >= 0);
  return {
    tokens: int64(inputTokens.flat(), [texts, length]),
    positions: int64(
      Array.from({ length: texts * length }, (_, i) => i % length),
      [texts, length],
    ),
    textBias: causalBias(length),
    rows: int64(all.flatMap((label, i) => (label < 0 ? [] : [i]))),
    labels: int64(counted),
    weights: float32(new Float32Array(counted.length).fill(1 / counted.length), [counted.length]),
  };
}

/** Gradients become outputs `d:<name>`, to be fetched instead of put into an optimizer's memory. */
export function fetchGradients(graph: Graph, names: readonly string[]): void {
  for (const name of names) {
    graph.outputs.set(`d:${name}`, graph.outputs.get(gradientOutput(name))!);
    graph.outputs.delete(gradientOutput(name));
  }
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}
