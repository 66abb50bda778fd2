/** Reverse-mode differentiation: adds to a graph the nodes that compute the gradient of a scalar. */
import { GraphError, type InputGradient, type Node, sameShape, Tensor } from './graph.ts';
import { add, addRows, zerosLike } from './ops.ts';

/**
 * The gradient of `loss` (shape []) with respect to each tensor of `wrt`. A tensor that the loss does not
 * depend on is an error: it is always a mistake in what was meant to be trained.
 */
export function backward(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.rank !== 0) throw new GraphError(`backward: the loss must be a scalar, not ${loss}`);
  const graph = loss.graph;
  const forward = [...graph.nodes]; // in the order of computation; what follows appends to graph.nodes
  const wanted = new Set<Tensor>(wrt);
  // Only what depends on a wanted tensor carries gradient.
  const active = new Set<Tensor>(wrt);
  for (const node of forward) {
    if (node.gradient && node.through.some((input) => input && active.has(input))) {
      for (const output of node.outputs) active.add(output);
    }
  }
  const contributions = new Map<Tensor, Exclude<InputGradient, undefined>[]>();
  contributions.set(loss, [graph.scalar(1)]);

  const total = (tensor: Tensor): Tensor | undefined => {
    const parts = contributions.get(tensor);
    if (!parts) return undefined;
    let sum: Tensor | undefined;
    for (const part of parts) if (part instanceof Tensor) sum = sum ? add(sum, part) : part;
    // Rows come last, into the dense sum: a table is large, and is then copied at most once.
    for (const part of parts)
      if (!(part instanceof Tensor)) sum = addRows(sum ?? zerosLike(tensor), part.ids, part.rows);
    if (sum && !sameShape(sum.shape, tensor.shape)) {
      throw new GraphError(`internal: gradient ${sum} does not have the shape of ${tensor}`);
    }
    return sum;
  };

  const visit = (node: Node): void => {
    if (!node.gradient || !node.outputs.some((output) => active.has(output) && contributions.has(output)))
      return;
    const inputGradients = node.gradient(node.outputs.map((output) => total(output)));
    node.through.forEach((input, i) => {
      const gradient = inputGradients[i];
      if (!input || !gradient || !active.has(input)) return;
      const parts = contributions.get(input);
      if (parts) parts.push(gradient);
      else contributions.set(input, [gradient]);
    });
  };
  for (const node of forward.reverse()) visit(node);

  return [...wanted].map((tensor) => {
    const gradient = total(tensor);
    if (!gradient) throw new GraphError(`backward: the loss does not depend on ${tensor}`);
    return gradient;
  });
}
