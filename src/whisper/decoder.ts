/** Whisper's text decoder, written once: training, cached decoding and the cross-attention memory are made from it. */
import { backward } from '../graph/backward.ts';
import { Graph, product, sumOfSizes, type Tensor } from '../graph/graph.ts';
import {
  add,
  argMax,
  concat,
  gather,
  linear,
  logSumExp,
  max,
  outputLoss,
  reshape,
  sub,
  takeFirst,
} from '../graph/ops.ts';
import { gradientOutput } from '../graph/runtime.ts';
import type { WhisperDimensions } from './dimensions.ts';
import {
  attention,
  feedForward,
  type KeysAndValues,
  keysAndValues,
  type Memory,
  memoryOf,
  normalized,
  positionTable,
  unprojectedMemory,
} from './layers.ts';

export const TOKEN_EMBEDDING = 'model.decoder.embed_tokens.weight';

const layerName = (layer: number): string => `model.decoder.layers.${layer}`;
const crossAttention = (layer: number): string => `${layerName(layer)}.encoder_attn`;

interface DecoderInputs {
  /** int64 [batch, tokens] */
  readonly tokens: Tensor;
  /** int64 [tokens] or [batch, tokens]: where each token stands in its text. */
  readonly positions: Tensor;
  /** Added to the self-attention scores; broadcasts to [batch, heads, tokens, all tokens]: −∞ where one must not look. */
  readonly textBias: Tensor;
  /** The audio, for each layer. */
  readonly audio: (layer: number) => Memory;
  /** Added to the scores of the audio's frames; broadcasts to [batch, heads, tokens, frames]. See silence-tail.ts. */
  readonly frameBias: Tensor;
  /** Keys and values of the tokens before these, for each layer. */
  readonly past?: (layer: number) => KeysAndValues;
}

/** @returns hidden states [batch, tokens, width] after the final layer norm, and the self-attention memory per layer */
function decoder(
  dimensions: WhisperDimensions,
  inputs: DecoderInputs,
): { hidden: Tensor; present: KeysAndValues[] } {
  const { width, decoderLayers, decoderHeads, decoderFfn, textPositions } = dimensions;
  const graph = inputs.tokens.graph;
  const positions = positionTable(graph, 'model.decoder.embed_positions', textPositions, width);
  let x = add(gather(tokenEmbedding(graph, dimensions), inputs.tokens), gather(positions, inputs.positions));
  const present: KeysAndValues[] = [];
  for (let layer = 0; layer < decoderLayers; layer++) {
    const name = layerName(layer);
    const text = normalized(x, `${name}.self_attn_layer_norm`);
    let { keys, values } = keysAndValues(text, `${name}.self_attn`, decoderHeads);
    if (inputs.past) {
      const past = inputs.past(layer);
      keys = concat([past.keys, keys], 3);
      values = concat([past.values, values], 2);
    }
    present.push({ keys, values });
    x = add(x, attention(text, `${name}.self_attn`, decoderHeads, memoryOf({ keys, values }), inputs.textBias));
    const query = normalized(x, `${name}.encoder_attn_layer_norm`);
    x = add(x, attention(query, crossAttention(layer), decoderHeads, inputs.audio(layer), inputs.frameBias));
    x = add(x, feedForward(normalized(x, `${name}.final_layer_norm`), name, decoderFfn));
  }
  return { hidden: normalized(x, 'model.decoder.layer_norm'), present };
}

function tokenEmbedding(graph: Graph, { vocabulary, width }: WhisperDimensions): Tensor {
  return graph.parameter(TOKEN_EMBEDDING, [vocabulary, width]);
}

/**
 * From encoder frames to what the decoding step attends to.
 * Input `frames` [batch, frames, width]; outputs `keys.<layer>` and `values.<layer>`.
 */
export function audioMemoryGraph(dimensions: WhisperDimensions): Graph {
  const graph = new Graph();
  const frames = graph.input('frames', ['batch', 'frames', dimensions.width]);
  for (let layer = 0; layer < dimensions.decoderLayers; layer++) {
    const { keys, values } = keysAndValues(frames, crossAttention(layer), dimensions.decoderHeads);
    graph.output(`keys.${layer}`, keys);
    graph.output(`values.${layer}`, values);
  }
  return graph;
}

/**
 * One step of cached decoding, for one or more tokens of each text.
 *
 * Inputs: `tokens` and `positions` [batch, tokens]; `rows` int64 [rows], which of the batch·tokens positions give
 * logits; `textBias` [1, 1, tokens, past + tokens]; `frameBias` [batch, 1, 1, frames]; for each layer
 * `past.keys.<layer>` and `past.values.<layer>` (0 long at first), `keys.<layer>` and `values.<layer>` of the audio.
 * `suppression` [vocabulary] is 0 for tokens that may come and −∞-like for others.
 * Outputs: `logits` [rows, vocabulary]; the most probable token that may come, `best` [rows, 1], and its
 * `logProbability` [rows, 1] among those; `present.keys.<layer>` and `present.values.<layer>`.
 */
export function decodingStepGraph(dimensions: WhisperDimensions): Graph {
  const { decoderHeads: heads, width } = dimensions;
  const headWidth = width / heads;
  const graph = new Graph();
  const tokens = graph.input('tokens', ['batch', 'tokens'], 'int64');
  const rows = graph.input('rows', ['rows'], 'int64');
  const given = (prefix: string, length: string, layer: number): KeysAndValues => ({
    keys: graph.input(`${prefix}keys.${layer}`, ['batch', heads, headWidth, length]),
    values: graph.input(`${prefix}values.${layer}`, ['batch', heads, length, headWidth]),
  });
  const { hidden, present } = decoder(dimensions, {
    tokens,
    positions: graph.input('positions', ['batch', 'tokens'], 'int64'),
    textBias: graph.input('textBias', [1, 1, 'tokens', sumOfSizes(['past', 'tokens'])]),
    audio: (layer) => memoryOf(given('', 'frames', layer)),
    frameBias: graph.input('frameBias', ['batch', 1, 1, 'frames']),
    past: (layer) => given('past.', 'past', layer),
  });
  const flat = reshape(hidden, [product(['batch', 'tokens']), width]);
  const logits = linear(gather(flat, rows), tokenEmbedding(graph, dimensions));
  const allowed = add(logits, graph.input('suppression', [dimensions.vocabulary]));
  graph.output('logits', logits);
  // Here and not from the logits: a pass over them in JavaScript takes as long as a third of the step.
  graph.output('best', argMax(allowed));
  graph.output('logProbability', sub(max(allowed, 1), logSumExp(allowed)));
  present.forEach(({ keys, values }, layer) => {
    graph.output(`present.keys.${layer}`, keys);
    graph.output(`present.values.${layer}`, values);
  });
  return graph;
}

/**
 * Cuts a batch that is being decoded down to some of its texts.
 * Inputs: `rows` int64 [rows] and what a decoding step carries on; outputs: the same, as `selected.<name>`.
 */
export function selectionGraph(dimensions: WhisperDimensions): Graph {
  const { decoderHeads: heads, width, decoderLayers } = dimensions;
  const graph = new Graph();
  const rows = graph.input('rows', ['rows'], 'int64');
  for (let layer = 0; layer < decoderLayers; layer++) {
    for (const [prefix, length] of [
      ['', 'frames'],
      ['past.', 'past'],
    ] as const) {
      const keys = graph.input(`${prefix}keys.${layer}`, ['batch', heads, width / heads, length]);
      const values = graph.input(`${prefix}values.${layer}`, ['batch', heads, length, width / heads]);
      graph.output(`selected.${keys.name}`, takeFirst(keys, rows));
      graph.output(`selected.${values.name}`, takeFirst(values, rows));
    }
  }
  return graph;
}

/**
 * A training step: teacher forcing over encoder frames, loss and gradients.
 *
 * Inputs: `frames` [batch, frames, width]; `frameBias` [batch, 1, 1, frames]; `tokens` and `positions` [batch, tokens];
 * `textBias` [1, 1, tokens, tokens]; `rows` [rows], which of the batch·tokens positions predict something that counts;
 * `labels` [rows], what comes after them; `weights` [rows], each one's share in the loss.
 * Outputs: `loss` and one gradient for each of `trained`.
 */
export function trainingGraph(dimensions: WhisperDimensions, trained: readonly string[]): Graph {
  const { width } = dimensions;
  const graph = new Graph();
  const frames = graph.input('frames', ['batch', 'frames', width]);
  const { hidden } = decoder(dimensions, {
    tokens: graph.input('tokens', ['batch', 'tokens'], 'int64'),
    positions: graph.input('positions', ['batch', 'tokens'], 'int64'),
    textBias: graph.input('textBias', [1, 1, 'tokens', 'tokens']),
    audio: (layer) => unprojectedMemory(frames, crossAttention(layer), dimensions.decoderHeads),
    frameBias: graph.input('frameBias', ['batch', 1, 1, 'frames']),
  });
  const flat = reshape(hidden, [product(['batch', 'tokens']), width]);
  const loss = outputLoss(
    gather(flat, graph.input('rows', ['rows'], 'int64')),
    tokenEmbedding(graph, dimensions),
    graph.input('labels', ['rows'], 'int64'),
    graph.input('weights', ['rows']),
  );
  graph.output('loss', loss);
  const parameters = trained.map((name) => {
    const parameter = graph.parameters.get(name);
    if (!parameter) throw new Error(`internal: "${name}" is no weight of the decoder`);
    return parameter;
  });
  backward(loss, parameters).forEach((gradient, i) => graph.output(gradientOutput(trained[i]!), gradient));
  return graph;
}

/** Names of all decoder weights, in the order in which the model uses them. */
export function decoderWeights(dimensions: WhisperDimensions): string[] {
  return [...trainingGraph(dimensions, []).parameters.keys()];
}
