/**
 * A small GPT: Whisper's decoder without its audio, which is a pre-norm causal transformer over tokens of text (that of OPT,
 * Zhang et al. 2022). Weights have the names that transformers' OPT has; its keys have no bias here, which no output depends on.
 */
import { gradientOutput } from '../backend/runtime.ts';
import { backward } from '../graph/backward.ts';
import { Graph, product, type Tensor } from '../graph/graph.ts';
import {
  add,
  concat,
  gather,
  greater,
  linear,
  MASKED,
  range,
  reshape,
  scale,
  transpose,
} from '../graph/ops.ts';
import { fusedCrossEntropy } from '../graph/output-loss.ts';
import { gaussian, sfc32 } from '../random.ts';
import {
  attention,
  feedForward,
  type KeysAndValues,
  keysAndValues,
  normalized,
  sourceOf,
} from '../whisper/layers.ts';

export interface GptDimensions {
  readonly vocabulary: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Longest text in tokens. */
  readonly positions: number;
}

const EMBEDDING = 'model.decoder.embed_tokens.weight';
const POSITIONS = 'model.decoder.embed_positions.weight';
const layerName = (layer: number): string => `model.decoder.layers.${layer}`;

/**
 * @param tokens int64 ['texts', 'tokens']
 * @param past keys and values of the 'past' tokens before them, for each layer
 * @returns hidden states ['texts', 'tokens', width], and each layer's keys and values
 */
function gpt(
  { vocabulary, width, layers, heads, positions }: GptDimensions,
  tokens: Tensor,
  past?: (layer: number) => KeysAndValues,
): { hidden: Tensor; embedding: Tensor; present: KeysAndValues[] } {
  const { graph } = tokens;
  const embedding = graph.parameter(EMBEDDING, [vocabulary, width]);
  const before = past?.(0);
  const all = range(graph, before ? ['past', 'tokens'] : ['tokens']);
  const own = before ? add(range(graph, ['tokens']), graph.size('past')) : all;
  const table = graph.parameter(POSITIONS, [positions, width]);
  // A token sees those before it and itself.
  const future = greater(reshape(all, [1, all.shape[0]!]), reshape(own, [own.shape[0]!, 1]));
  const bias = scale(future, MASKED);
  let x = add(gather(embedding, tokens), gather(table, own));
  const present: KeysAndValues[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const name = layerName(layer);
    const text = normalized(x, `${name}.self_attn_layer_norm`);
    let { keys, values } = keysAndValues(text, `${name}.self_attn`, heads);
    if (past) {
      const earlier = layer === 0 ? before! : past(layer);
      keys = concat([earlier.keys, keys], 3);
      values = concat([earlier.values, values], 2);
    }
    present.push({ keys, values });
    x = add(x, attention(text, `${name}.self_attn`, heads, sourceOf({ keys, values }), bias));
    x = add(x, feedForward(normalized(x, `${name}.final_layer_norm`), name, 4 * width));
  }
  return { hidden: normalized(x, 'model.decoder.final_layer_norm'), embedding, present };
}

/**
 * A step of training. Inputs: `tokens` int64 [texts, tokens]; `labels` int64 [texts · tokens], the token after each; `weights`
 * [texts · tokens], which are 0 at padding and sum to 1. Outputs: `loss` and the gradient of every weight.
 */
export function gptTrainingGraph(dimensions: GptDimensions): Graph {
  const graph = new Graph();
  const { hidden, embedding } = gpt(dimensions, graph.input('tokens', ['texts', 'tokens'], 'int64'));
  const count = product(['texts', 'tokens']);
  const loss = fusedCrossEntropy(
    reshape(hidden, [count, dimensions.width]),
    embedding,
    graph.input('labels', [count], 'int64'),
    graph.input('weights', [count]),
  );
  graph.output('loss', loss);
  const parameters = [...graph.parameters.values()];
  backward(loss, parameters).forEach((gradient, i) =>
    graph.output(gradientOutput(parameters[i]!.name), gradient),
  );
  return graph;
}

/**
 * The model as exporters write it. Inputs: `input_ids` int64 [texts, tokens], `past_key_values.<layer>.key` and `.value` [texts, heads,
 * past, head width]; outputs: `logits` [texts, tokens, vocabulary], `present.<layer>.key` and `.value`.
 */
export function gptInferenceGraph(dimensions: GptDimensions): Graph {
  const { width, heads, vocabulary } = dimensions;
  const graph = new Graph();
  const tokens = graph.input('input_ids', ['texts', 'tokens'], 'int64');
  const given = (layer: number, part: 'key' | 'value'): Tensor =>
    graph.input(`past_key_values.${layer}.${part}`, ['texts', heads, 'past', width / heads]);
  const swapped = (x: Tensor): Tensor => transpose(x, [0, 1, 3, 2]);
  const { hidden, embedding, present } = gpt(dimensions, tokens, (layer) => ({
    keys: swapped(given(layer, 'key')),
    values: given(layer, 'value'),
  }));
  const count = product(['texts', 'tokens']);
  const logits = linear(reshape(hidden, [count, width]), embedding);
  graph.output('logits', reshape(logits, ['texts', 'tokens', vocabulary]));
  present.forEach(({ keys, values }, layer) => {
    graph.output(`present.${layer}.key`, swapped(keys));
    graph.output(`present.${layer}.value`, values);
  });
  return graph;
}

/** Shapes of the weights by name, in the order in which the model uses them. */
export function gptWeights(dimensions: GptDimensions): Map<string, readonly number[]> {
  const { parameters } = gptTrainingGraph(dimensions);
  return new Map([...parameters].map(([name, { shape }]) => [name, shape as readonly number[]]));
}

/** Deviation of the first weights, as in GPT-2. */
const DEVIATION = 0.02;

/** Weights to begin with, as GPT-2's: the layers' outputs are smaller, the more layers add to the sum. */
export function initialGptWeights(dimensions: GptDimensions, seed: number): Map<string, Float32Array> {
  const random = sfc32(seed);
  const ofOutput = DEVIATION / Math.sqrt(2 * dimensions.layers);
  return new Map(
    [...gptWeights(dimensions)].map(([name, shape]) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      const isNorm = /norm\.weight$/.test(name);
      const deviation = /(out_proj|fc2)\.weight$/.test(name) ? ofOutput : DEVIATION;
      if (isNorm) values.fill(1);
      else if (shape.length > 1)
        for (let i = 0; i < values.length; i++) values[i] = deviation * gaussian(random);
      return [name, values];
    }),
  );
}
