/**
 * Greedy decoding steps as the body of an ONNX `Loop`: where a device's values pass through the host between runs, those of
 * several steps pass once.
 */
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { Graph, type Tensor } from '../graph/graph.ts';
import { add, concat, reshape } from '../graph/ops.ts';
import { declareIteration, inlined } from '../graph/subgraph.ts';
import type { OutputTokens } from './decoder.ts';

/** Results of each step, [steps, clips, 1]. */
export const LOOPED_RESULTS = ['candidates', 'logProbabilities', 'allowed'] as const;
export type LoopedResult = (typeof LOOPED_RESULTS)[number];

/**
 * `steps` int64 [] steps of `step`, each text's next token being its likeliest. Other inputs as of `step` (a graph of
 * `decodingStepGraph` without timestamps) with one text a clip, and `ids` int64 [output tokens], the token at each place. Outputs:
 * the results, and `present.*` after the last step.
 */
export function decodingLoopGraph(
  step: Graph,
  { decoderLayers }: Pick<WhisperDimensions, 'decoderLayers'>,
  { count }: Pick<OutputTokens, 'count'>,
): Graph {
  const graph = new Graph();
  const body = new Graph('step.');
  declareIteration(body);
  const caches = Array.from({ length: decoderLayers }, (_, layer) => [
    `keys.${layer}`,
    `values.${layer}`,
  ]).flat();
  const carriedNames = ['tokens', 'positions', 'textBias', ...caches.map((name) => `past.${name}`)];
  const first: Tensor[] = [];
  const carried = new Map<string, Tensor>();
  for (const name of carriedNames) {
    const { shape, dtype } = step.inputs.get(name)!;
    first.push(graph.input(name, shape, dtype));
    carried.set(name, body.input(`carried.${name}`, shape, dtype));
  }
  const copyOf = inlined(step, body, (tensor) => {
    const { name, shape, dtype } = tensor;
    const isInput = step.inputs.get(name) === tensor;
    if (isInput && carried.has(name)) return carried.get(name)!;
    return body.capture(
      isInput ? graph.input(name, shape, dtype) : graph.parameter(name, shape as number[], dtype),
    );
  });
  const result = (name: string): Tensor => copyOf(step.outputs.get(name)!);
  const ids = body.capture(graph.input('ids', [count], 'int64'));
  const places = result('candidates');
  const token = body.emit('Gather', [ids, places], [{ shape: places.shape }])[0]!;
  const { shape: each } = carried.get('tokens')!;
  const bias = carried.get('textBias')!;
  // The token that is appended is seen, as is each that the loop appended before.
  const seen = body.emit(
    'Expand',
    [body.scalar(0), concat([body.size(bias.shape[0]!), body.integers([1, 1, 1])], 0)],
    [{ shape: [bias.shape[0]!, 1, 1, 1] }],
  )[0]!;
  const next: Record<string, Tensor> = {
    tokens: reshape(token, each),
    positions: add(carried.get('positions')!, body.integers([1])),
    textBias: body.emit('Concat', [bias, seen], [{ shape: [...bias.shape.slice(0, 3), 'grown'] }], {
      axis: { int: 3 },
    })[0]!,
  };
  for (const name of caches) next[`past.${name}`] = result(`present.${name}`);
  for (const name of carriedNames) body.output(`next.${name}`, next[name]!);
  for (const name of LOOPED_RESULTS) body.output(`step.${name}`, result(name));
  const all = graph.emit(
    'Loop',
    [graph.input('steps', [], 'int64'), undefined, ...first],
    [...body.outputs.values()].slice(1).map(({ shape, dtype }, i) => ({
      shape: i < first.length ? shape : ['steps', ...shape],
      dtype,
    })),
    { body: { body } },
  );
  carriedNames.forEach((name, i) => {
    if (name.startsWith('past.')) graph.output(name.replace('past', 'present'), all[i]!);
  });
  for (const [i, name] of LOOPED_RESULTS.entries()) graph.output(name, all[first.length + i]!);
  return graph;
}
