/**
 * What a session shares with the memory of weights and gradients. Row blocks that a graph splits a weight into are views of it;
 * row blocks that a gradient is joined from, and rows that look-ups add to it, are put in place. Inside the graph each of
 * these would copy a whole table.
 */
import { gradientOutput, isGradient } from '../graph/backward.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import { axisOf, rowAddition } from '../graph/ops.ts';
import { SEQUENCE } from './protocol.ts';

/** Consecutive rows of a weight or gradient, from its row 0 on, as an input or output of a session. */
export interface RowBlock {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface BlockedWeight {
  readonly parameter: string;
  readonly blocks: readonly RowBlock[];
}

/** How the outputs of a session make one gradient. */
export interface GradientParts {
  readonly parameter: string;
  /** None: it is zero but for `added`. */
  readonly blocks: readonly RowBlock[];
  /** Outputs with rows to add, and with their indices, which may repeat. */
  readonly added: readonly { readonly rows: string; readonly ids: string }[];
}

export interface SessionMemory {
  /** Tensors that are given like inputs though nodes of the graph compute them. */
  readonly given: ReadonlySet<Tensor>;
  /** In place of the graph's own. */
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** The output that ends a run without copies of the others, where there are gradients: see in-place-run.ts. */
  readonly sequence: string | undefined;
  readonly weights: readonly BlockedWeight[];
  readonly gradients: readonly GradientParts[];
}

/** @param isFed which weights are fed at every run; others are the session's own */
export function sessionMemory(graph: Graph, isFed: (name: string) => boolean = () => true): SessionMemory {
  const given = new Set<Tensor>();
  const weights: BlockedWeight[] = [];
  for (const node of graph.nodes) {
    const parameter = node.inputs[0]?.name ?? '';
    if (node.op !== 'Split' || axisOf(node) !== 0) continue;
    if (graph.parameters.get(parameter) !== node.inputs[0] || !isFed(parameter)) continue;
    for (const block of node.outputs) given.add(block);
    weights.push({ parameter, blocks: node.outputs.map((block) => rowBlock(block.name, block)) });
  }
  const outputs = new Map<string, Tensor>();
  const gradients: GradientParts[] = [];
  for (const [name, tensor] of graph.outputs) {
    if (isGradient(name))
      gradients.push(gradientParts(name.slice(gradientOutput('').length), tensor, outputs));
    else outputs.set(name, tensor);
  }
  return { given, outputs, weights, gradients, sequence: gradients.length > 0 ? SEQUENCE : undefined };
}

/** Adds the parts to `outputs`. */
function gradientParts(parameter: string, gradient: Tensor, outputs: Map<string, Tensor>): GradientParts {
  const added: { rows: string; ids: string }[] = [];
  let base = gradient;
  for (let addition = rowAddition(base); addition; addition = rowAddition(base)) {
    const part = { rows: `rows:${added.length}:${parameter}`, ids: `ids:${added.length}:${parameter}` };
    outputs.set(part.rows, addition.rows);
    outputs.set(part.ids, addition.ids);
    added.unshift(part); // in the order in which the graph would add them
    base = addition.base;
  }
  const { producer } = base;
  const joined = producer?.op === 'Concat' && axisOf(producer) === 0;
  const dense = producer?.op === 'ConstantOfShape' ? [] : joined ? producer.inputs : [base];
  const blocks = dense.map((tensor, i) => {
    const name = gradientOutput(`${i}:${parameter}`);
    outputs.set(name, tensor!);
    return rowBlock(name, tensor!);
  });
  return { parameter, blocks, added };
}

const rowBlock = (name: string, { shape }: Tensor): RowBlock => ({
  name,
  shape: shape as readonly number[],
});
