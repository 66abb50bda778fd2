/** Reverse-mode differentiation: adds to a graph the nodes that compute the gradient of a scalar. */
import {
  type Graph,
  GraphError,
  type InputGradient,
  type Node,
  product,
  sameShape,
  Tensor,
} from './graph.ts';
import { add, addRows, reshape, scale, zerosLike } from './ops.ts';

/** Name of the output of a graph with the gradient of a parameter. */
export const gradientOutput = (parameter: string): string => `gradient:${parameter}`;

/** Whether an output of this name is a gradient. */
export const isGradient = (output: string): boolean => output.startsWith(gradientOutput(''));

/**
 * The gradient of `loss` (shape []) with respect to each tensor of `wrt`.
 * @throws GraphError for a tensor that the loss does not depend on: always a mistake in the set of trained weights
 *
 * @param recompute keep only the graph's checkpoints of the forward pass, and recompute the activations between them for
 * the backward pass: less memory for more time, the same gradients (Chen et al. 2016, "Training Deep Nets with Sublinear
 * Memory Cost")
 */
export function backward(loss: Tensor, wrt: readonly Tensor[], { recompute = false } = {}): Tensor[] {
  if (loss.rank !== 0) throw new GraphError(`backward: the loss must be a scalar, not ${loss}`);
  const graph = loss.graph;
  const forward = [...graph.nodes]; // in the order of computation; what follows appends to graph.nodes
  const wanted = new Set<Tensor>(wrt);
  // Only what depends on a wanted tensor carries gradient.
  const active = new Set<Tensor>(wrt);
  for (const node of forward) {
    if (node.gradient && node.differentiates.some((input) => input && active.has(input))) {
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

  const segments = recompute ? segmentsOf(graph, forward) : new Map<Node, Segment>();

  const visit = (node: Node): void => {
    if (!node.gradient || !node.outputs.some((output) => active.has(output) && contributions.has(output)))
      return;
    const outputGradients = node.outputs.map((output) => total(output));
    graph.recomputed = segments.get(node)?.recomputed(outputGradients.find((gradient) => gradient)!);
    const inputGradients = node.gradient(outputGradients);
    graph.recomputed = undefined;
    node.differentiates.forEach((input, i) => {
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

/** The nodes between two checkpoints. */
class Segment {
  /** Recomputed tensors, by those of the forward pass. */
  readonly #recomputed = new Map<Tensor, Tensor>();

  constructor(
    private readonly start: Tensor,
    /** Activations after the start that are not kept. */
    private readonly dropped: ReadonlySet<Tensor>,
  ) {}

  /** @param incoming the first gradient that reaches the segment */
  recomputed(incoming: Tensor): (tensor: Tensor) => Tensor {
    // The runtime runs nodes when their inputs are there: without this the second pass would follow the first at once.
    if (this.#recomputed.size === 0) this.#recomputed.set(this.start, after(incoming, this.start));
    return (tensor) => {
      if (!this.#recomputed.has(tensor) && this.dropped.has(tensor)) {
        const { op, inputs, outputs, attributes } = tensor.producer!;
        // `emit` replaces its inputs in the same way.
        const copies = tensor.graph.emit(op, inputs, outputs, attributes);
        outputs.forEach((output, i) => this.#recomputed.set(output, copies[i]!));
      }
      return this.#recomputed.get(tensor) ?? tensor;
    };
  }
}

/** The nodes between checkpoints. Those before the first and after the last are kept. */
function segmentsOf(graph: Graph, forward: readonly Node[]): Map<Node, Segment> {
  const segments = new Map<Node, Segment>();
  const place = new Map(forward.map((node, i) => [node, i]));
  const { checkpoints } = graph;
  for (let k = 0; k + 1 < checkpoints.length; k++) {
    const [start, end] = [checkpoints[k]!, checkpoints[k + 1]!];
    const between = forward.slice(place.get(start.producer!)! + 1, place.get(end.producer!)! + 1);
    const dropped = new Set<Tensor>();
    const segment = new Segment(start, dropped);
    for (const node of between) {
      segments.set(node, segment);
      if (!node.inputs.some((input) => input === start || (input && dropped.has(input)))) continue;
      for (const output of node.outputs) if (output !== end) dropped.add(output);
    }
  }
  return segments;
}

/** `x`, computed only after `other`: x + 0 · one of its values. */
function after(other: Tensor, x: Tensor): Tensor {
  const values = reshape(other, [product(other.shape)]);
  const first = other.graph.integers([0]);
  const [one] = other.graph.emit('Gather', [values, first], [{ shape: [1] }]);
  return add(x, scale(one!, 0));
}
