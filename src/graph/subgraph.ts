/** Graphs within graphs: a copy of one among the nodes of another, and one as the body of an ONNX `Loop`. */
import { type Graph, GraphError, type Node, sameShape, type Tensor } from './graph.ts';

/**
 * Adds the nodes of `source` to `target`.
 * @param standIn the tensor of `target` that stands for an input or weight of `source`
 * @returns the tensor of `target` for one of `source`
 */
export function inlined(
  source: Graph,
  target: Graph,
  standIn: (tensor: Tensor) => Tensor,
): (tensor: Tensor) => Tensor {
  const copies = new Map<Tensor, Tensor>();
  for (const tensor of [...source.inputs.values(), ...source.parameters.values()])
    copies.set(tensor, standIn(tensor));
  for (const { tensor, data } of source.constants.values())
    copies.set(tensor, target.constant(data, tensor.shape as readonly number[]));
  const copyOf = (tensor: Tensor): Tensor => {
    const copy = copies.get(tensor);
    if (!copy) throw new GraphError(`internal: ${tensor} is not of the graph that is copied`);
    return copy;
  };
  for (const { op, inputs, outputs, attributes } of source.nodes) {
    const given = inputs.map((input) => input && copyOf(input));
    const results =
      forDevices(target, { op, outputs, attributes }, given) ?? target.emit(op, given, outputs, attributes);
    outputs.forEach((output, i) => copies.set(output, results[i]!));
  }
  return copyOf;
}

/** Nodes of a graphics card in place of one that onnxruntime does not compute there. */
function forDevices(
  target: Graph,
  { op, outputs, attributes }: Pick<Node, 'op' | 'outputs' | 'attributes'>,
  [x, sizes]: readonly (Tensor | undefined)[],
): Tensor[] | undefined {
  // On the CPU even on a card. All of the builder's are zeros (zerosLike).
  if (op === 'ConstantOfShape') return [...target.emit('Expand', [target.scalar(0), x], outputs)];
  if (op !== 'Split' || !sizes) return undefined;
  // A WebGPU shader writes to a few buffers only, and a table may be split into dozens.
  const { int: axis } = attributes.axis as { int: number };
  const lengths = outputs.map(({ shape }) => shape[axis]!);
  if (!lengths.every((length) => typeof length === 'number')) return undefined;
  let from = 0;
  return outputs.map((output, i) => {
    const bounds = [from, from + lengths[i]!, axis].map((value) => target.integers([value]));
    from += lengths[i]!;
    return target.emit('Slice', [x, ...bounds], [output])[0]!;
  });
}

/** The inputs of a loop's body that come before the carried values: the iteration's number, and whether to go on. */
export function declareIteration(body: Graph): Tensor {
  const iteration = body.input('iteration', [], 'int64');
  const goesOn = body.input('condition', [], 'bool');
  body.output('condition_out', body.emit('Identity', [goesOn], [{ shape: [] }])[0]!);
  return iteration;
}

/**
 * ONNX `Loop`: the body runs `count` times.
 * @param count int64 []
 * @param carried first values of what goes from one iteration to the next
 * @param body begins with `declareIteration`; its other inputs are the carried values, its other outputs their next values
 * and then the results of each iteration. It may capture values of the graph around it.
 * @returns the last of the carried values, and the results of all iterations, stacked on a first axis named `iterations`
 */
export function loop(
  count: Tensor,
  carried: readonly Tensor[],
  body: Graph,
): { carried: readonly Tensor[]; results: readonly Tensor[] } {
  const inputs = [...body.inputs.values()].slice(2);
  const outputs = [...body.outputs.values()].slice(1);
  carried.forEach((first, i) => {
    const [input, next] = [inputs[i], outputs[i]];
    if (!input || !next || !sameShape(input.shape, first.shape) || !sameShape(next.shape, first.shape))
      throw new GraphError(`Loop: ${first} is carried as ${input} and goes on as ${next}`);
  });
  const all = count.graph.emit(
    'Loop',
    [count, undefined, ...carried],
    outputs.map(({ shape, dtype }, i) => ({
      shape: i < carried.length ? shape : ['iterations', ...shape],
      dtype,
    })),
    { body: { body } },
  );
  return { carried: all.slice(0, carried.length), results: all.slice(carried.length) };
}
