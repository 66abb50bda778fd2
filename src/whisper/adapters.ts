/** Low-rank adapters of some projections (LoRA, Hu et al. 2021): W·x + (alpha / rank)·B·A·x. */
import type { Graph, Tensor } from '../graph/graph.ts';
import { add, linear, matmul, scale } from '../graph/ops.ts';
import { variantOf, weight } from './variant.ts';

/** Names of a projection's A [rank, in] and B [out, rank]; PEFT's, but for the prefix that it puts before all names. */
export const adapterNames = (projection: string): readonly [a: string, b: string] => [
  `${projection}.lora_A.weight`,
  `${projection}.lora_B.weight`,
];

function adapterOf(graph: Graph, name: string, out: number, inner: number) {
  const { adapters } = variantOf(graph);
  if (!adapters?.projections.has(name)) return undefined;
  const { rank, alpha } = adapters;
  const [a, b] = adapterNames(name);
  return { a: weight(graph, a, [rank, inner]), b: weight(graph, b, [out, rank]), factor: alpha / rank };
}

/** y, the output of the projection `name` for x, plus that of its adapter. */
export function adapted(y: Tensor, x: Tensor, name: string): Tensor {
  const adapter = adapterOf(x.graph, name, y.shape.at(-1) as number, x.shape.at(-1) as number);
  // Not with the merged weight: its gradient would be as large as the weight's, and A·x is small.
  return adapter ? add(y, linear(scale(linear(x, adapter.a), adapter.factor), adapter.b)) : y;
}

/** The weight [out, in] of the projection `name`, its adapter merged: W + (alpha / rank)·B·A. */
export function mergedWeight(graph: Graph, name: string, out: number, inner: number): Tensor {
  const plain = weight(graph, `${name}.weight`, [out, inner]);
  const adapter = adapterOf(graph, name, out, inner);
  return adapter ? add(plain, matmul(scale(adapter.b, adapter.factor), adapter.a)) : plain;
}
