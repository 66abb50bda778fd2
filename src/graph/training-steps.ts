/**
 * A training step with its optimizer as one graph, and K of them as the body of an ONNX `Loop`: on a device that copies
 * feeds and results through the host, K steps cross once.
 */
import { type AdamWConstants, type AdamWGroup, adamW, ROW, SCHEDULE_FIELDS, slice } from './adamw.ts';
import { gradientOutput, isGradient } from './backward.ts';
import { Graph, GraphError, type Tensor } from './graph.ts';
import { add, cast, concat, reshape } from './ops.ts';
import { declareIteration, inlined, loop } from './subgraph.ts';

export { type AdamWConstants, type BatchSchedule, biasCorrections, scheduleRow } from './adamw.ts';

/** Weights that lie one after another in a long tensor, with zeros up to its length. */
export interface WeightGroup {
  readonly length: number;
  readonly members: readonly WeightPlace[];
}

export interface WeightPlace {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly count: number;
}

/** 128 MiB: what any WebGPU adapter lets a shader see of one buffer. */
const LONGEST = 2 ** 25;

/** Groups in the order given; a weight that is longer than `longest` is its own. */
export function weightGroups(
  weights: Iterable<readonly [name: string, shape: readonly number[]]>,
  longest = LONGEST,
): WeightGroup[] {
  const groups: { length: number; members: WeightPlace[] }[] = [];
  for (const [name, shape] of weights) {
    const count = shape.reduce((a, b) => a * b, 1);
    let group = groups.at(-1);
    if (!group || group.length + count > longest) {
      group = { length: 0, members: [] };
      groups.push(group);
    }
    group.members.push({ name, shape, offset: group.length, count });
    group.length += count;
  }
  return groups.map(({ length, members }) => ({ length: Math.ceil(length / ROW) * ROW, members }));
}

export interface StepOptions extends AdamWConstants {
  /** Whether several batches make a step. */
  readonly accumulates: boolean;
}

/** The kinds of a group's long tensors: `weights.0` and so on are inputs, `next.weights.0` outputs. */
export function stateKinds({ accumulates }: Pick<StepOptions, 'accumulates'>): (keyof AdamWGroup)[] {
  return ['weights', 'means', 'squares', ...(accumulates ? (['sums'] as const) : [])];
}

/** Names of the scalars that a batch gives, beside those of the training graph: see `AdamWUpdate`. */
export const NORM = 'norm';
export const TAKEN = 'taken';

/** Outputs of a training graph that are scalars: the loss and its metrics. */
function scalarOutputs(training: Graph): string[] {
  return [...training.outputs.keys()].filter((name) => !isGradient(name));
}

/**
 * One batch, as one graph. Inputs: those of the training graph, the groups' long tensors, `schedule` [5] and `corrections`
 * [2] (adamw.ts). Weights that are not trained are parameters. Outputs: the scalars, [1] each, and `next.*`.
 * @param training a graph with the outputs `loss`, `gradient:NAME` of each of the groups' weights, and metrics
 */
export function stepGraph(training: Graph, groups: readonly WeightGroup[], options: StepOptions): Graph {
  const graph = new Graph();
  const state = groups.map((group, i) => stateInputs(graph, group, i, options));
  const { scalars, next } = addStep(graph, training, groups, state, {
    input: ({ name, shape, dtype }) => graph.input(name, shape, dtype),
    frozen: ({ name, shape }) => graph.parameter(name, shape as number[]),
    row: graph.input('schedule', [SCHEDULE_FIELDS]),
    corrections: graph.input('corrections', [2]),
    options,
  });
  for (const [name, tensor] of scalars) graph.output(name, tensor);
  next.forEach((group, i) => {
    for (const kind of stateKinds(options)) graph.output(`next.${kind}.${i}`, group[kind]!);
  });
  return graph;
}

/**
 * Any number of batches, as a `Loop`. For each input of the training graph there is `all.NAME`, its values in all batches one
 * after another; `places` int64 [batches, …] says where a batch's begin and end and what shape they have (`batchPlaces`).
 * `count` int64 [] is the number of batches, `schedule` [batches, 5], `corrections` [steps, 2]: of the steps that follow.
 * Other inputs and outputs as of `stepGraph`; the scalars are [batches, 1] each.
 */
export function stepsGraph(training: Graph, groups: readonly WeightGroup[], options: StepOptions): Graph {
  const graph = new Graph();
  const body = new Graph('step.');
  const iteration = declareIteration(body);
  const kinds = stateKinds(options);
  const first = groups.map((group, i) => stateInputs(graph, group, i, options));
  const state = groups.map((group, i) => stateInputs(body, group, i, options, 'carried.'));
  // Of this run: a step that was skipped does not count.
  const steps = body.input('steps', [1], 'int64');
  const inputs = [...training.inputs.values()];
  const width = inputs.reduce((sum, { rank }) => sum + rank + 2, 0);
  const places = rowOf(body, graph.input('places', ['batches', width], 'int64'), iteration, width);
  const values = new Map<Tensor, Tensor>();
  let at = 0;
  for (const input of inputs) {
    const { name, dtype, shape, rank } = input;
    const all = body.capture(graph.input(`all.${name}`, [`all ${name}`], dtype));
    const [from, to] = [slice(places, at, 1), slice(places, at + 1, 1)];
    const flat = body.emit('Slice', [all, from, to], [{ shape: [`flat ${name}`], dtype }])[0]!;
    const sizes = slice(places, at + 2, rank);
    // A size of 0 is one, and not "as before".
    const [tensor] = body.emit('Reshape', [flat, sizes], [{ shape, dtype }], { allowzero: { int: 1 } });
    values.set(input, tensor!);
    at += rank + 2;
  }
  const corrections = graph.input('corrections', ['steps', 2]);
  const ofStep = body.emit(
    'Gather',
    [body.capture(corrections), steps],
    [{ shape: [1, 2], dtype: 'float32' }],
  )[0]!;
  const { scalars, next } = addStep(body, training, groups, state, {
    input: (input) => values.get(input)!,
    frozen: ({ name, shape }) => body.capture(graph.parameter(name, shape as number[])),
    row: rowOf(body, graph.input('schedule', ['batches', SCHEDULE_FIELDS]), iteration, SCHEDULE_FIELDS),
    corrections: reshape(ofStep, [2]),
    options,
  });
  next.forEach((group, i) => {
    for (const kind of kinds) body.output(`carried.next.${kind}.${i}`, group[kind]!);
  });
  body.output('carried.next.steps', add(steps, cast(scalars.get(TAKEN)!, 'int64')));
  for (const [name, tensor] of scalars) body.output(`step.${name}`, tensor);
  const { carried, results } = loop(
    graph.input('count', [], 'int64'),
    [...first.flatMap((group) => kinds.map((kind) => group[kind]!)), graph.integers([0])],
    body,
  );
  groups.forEach((_, i) => {
    for (const [k, kind] of kinds.entries())
      graph.output(`next.${kind}.${i}`, carried[i * kinds.length + k]!);
  });
  for (const [k, name] of [...scalars.keys()].entries()) graph.output(name, results[k]!);
  return graph;
}

/** A row of `places` of the graph of `stepsGraph`. @param starts of each input's values among all batches' */
export function batchPlaces(shapes: readonly (readonly number[])[], starts: readonly number[]): number[] {
  return shapes.flatMap((shape, i) => {
    const count = shape.reduce((a, b) => a * b, 1);
    return [starts[i]!, starts[i]! + count, ...shape];
  });
}

/** The row of an iteration: [batches, width] → [width]. */
function rowOf(body: Graph, table: Tensor, iteration: Tensor, width: number): Tensor {
  const { dtype } = table;
  return body.emit('Gather', [body.capture(table), iteration], [{ shape: [width], dtype }])[0]!;
}

function stateInputs(
  graph: Graph,
  { length }: WeightGroup,
  i: number,
  options: StepOptions,
  prefix = '',
): AdamWGroup {
  const entries = stateKinds(options).map((kind) => [kind, graph.input(`${prefix}${kind}.${i}`, [length])]);
  return Object.fromEntries(entries) as AdamWGroup;
}

interface StepInputs {
  /** The tensor that stands for an input of the training graph, or for a weight that is not trained. */
  readonly input: (input: Tensor) => Tensor;
  readonly frozen: (parameter: Tensor) => Tensor;
  readonly row: Tensor;
  readonly corrections: Tensor;
  readonly options: StepOptions;
}

function addStep(
  graph: Graph,
  training: Graph,
  groups: readonly WeightGroup[],
  state: readonly AdamWGroup[],
  { input, frozen, row, corrections, options }: StepInputs,
): { scalars: Map<string, Tensor>; next: readonly AdamWGroup[] } {
  const weights = new Map<string, Tensor>();
  groups.forEach(({ members }, i) => {
    for (const { name, shape, offset, count } of members)
      weights.set(name, reshape(slice(state[i]!.weights, offset, count), shape));
  });
  const copyOf = inlined(training, graph, (tensor) =>
    training.inputs.has(tensor.name) ? input(tensor) : (weights.get(tensor.name) ?? frozen(tensor)),
  );
  const result = (name: string): Tensor => {
    const tensor = training.outputs.get(name);
    if (!tensor) throw new GraphError(`internal: the training graph has no output "${name}"`);
    return copyOf(tensor);
  };
  // The first weights first: onnxruntime then computes the last ones' gradients before (see inOrderOfUse in onnx.ts), and
  // frees their activations.
  const flat = groups.map(({ members }) =>
    members.map(({ name, count }) => flattened(result(gradientOutput(name)), count)),
  );
  const gradients = flat.map((parts, i) => {
    const used = groups[i]!.members.reduce((sum, { count }) => sum + count, 0);
    const rest = groups[i]!.length - used;
    return concat(rest === 0 ? parts : [...parts, graph.constant(new Float32Array(rest), [rest])], 0);
  });
  const scalars = new Map(scalarOutputs(training).map((name) => [name, reshape(result(name), [1])]));
  const {
    groups: next,
    norm,
    taken,
  } = adamW(state, gradients, scalars.get('loss')!, row, corrections, options);
  return { scalars: scalars.set(NORM, norm).set(TAKEN, taken), next };
}

/** A node even where there is nothing to flatten: its place among the nodes is what counts. */
function flattened(x: Tensor, count: number): Tensor {
  return x.graph.emit('Reshape', [x, x.graph.integers([count])], [{ shape: [count] }])[0]!;
}
