/** Whisper's text decoder, defined once for training, cached decoding and cross-attention keys and values. */

import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { Graph, product, sumOfSizes, type Tensor } from '../graph/graph.ts';
import {
  add,
  concat,
  gather,
  gatherElement,
  greater,
  less,
  linear,
  logSoftmax,
  logSumExp,
  MASKED,
  max,
  mul,
  reshape,
  scale,
  smaller,
  split,
  sub,
  take,
  takeAlong,
  topK,
  transpose,
  where,
} from '../graph/ops.ts';
import {
  type AttentionSource,
  absorbedSource,
  attention,
  feedForward,
  type KeysAndValues,
  keysAndValues,
  normalized,
  positionTable,
  sourceOf,
} from './layers.ts';
import { linearProduct } from './products.ts';
import { type ModelVariant, setVariant, variantOf, weight } from './variant.ts';

export const TOKEN_EMBEDDING = 'model.decoder.embed_tokens.weight';
/** Trained offset of a new language token (language-token.ts), added to the embedding's last row, [1, width]. */
export const LANGUAGE_ROW = 'model.decoder.embed_tokens.language.weight';

const layerName = (layer: number): string => `model.decoder.layers.${layer}`;
export const crossAttention = (layer: number): string => `${layerName(layer)}.encoder_attn`;

export interface DecoderInputs {
  /** int64 [batch, tokens] */
  readonly tokens: Tensor;
  /** Position of each token in its text, int64 [tokens] or [batch, tokens]. */
  readonly positions: Tensor;
  /** Added to the self-attention scores; broadcasts to [batch, heads, tokens, all tokens]: masks padding and future tokens. */
  readonly textBias: Tensor;
  /** The audio, for each layer. */
  readonly audio: (layer: number) => AttentionSource;
  /** Added to the scores of the audio's frames; broadcasts to [clips, heads, queries, frames]. See silence-tail.ts. */
  readonly frameBias: Tensor;
  /** Called with each layer's cross-attention scores before the softmax, [clips, heads, queries, frames]. */
  readonly onAudioScores?: (layer: number, scores: Tensor) => void;
  /** Keys and values of the tokens before these, for each layer. */
  readonly past?: (layer: number) => KeysAndValues;
}

/**
 * @returns hidden states [batch, tokens, width] after the final layer norm, and for each layer its output
 * [batch, tokens, width] and its self-attention's keys and values
 */
export function decoder(
  dimensions: WhisperDimensions,
  inputs: DecoderInputs,
): { hidden: Tensor; layers: Tensor[]; present: KeysAndValues[] } {
  const { width, decoderLayers, decoderHeads, decoderFfn, textPositions } = dimensions;
  const graph = inputs.tokens.graph;
  const positions = positionTable(graph, 'model.decoder.embed_positions', textPositions, width);
  let x = add(embedded(inputs.tokens, dimensions), gather(positions, inputs.positions));
  const layers: Tensor[] = [];
  const present: KeysAndValues[] = [];
  for (let layer = 0; layer < decoderLayers; layer++) {
    graph.checkpoint(x);
    const name = layerName(layer);
    const text = normalized(x, `${name}.self_attn_layer_norm`);
    let { keys, values } = keysAndValues(text, `${name}.self_attn`, decoderHeads);
    if (inputs.past) {
      const past = inputs.past(layer);
      keys = concat([past.keys, keys], 3);
      values = concat([past.values, values], 2);
    }
    present.push({ keys, values });
    x = add(
      x,
      attention(text, `${name}.self_attn`, decoderHeads, sourceOf({ keys, values }), inputs.textBias),
    );
    const query = normalized(x, `${name}.encoder_attn_layer_norm`);
    const memory = observed(inputs.audio(layer), (scores) => inputs.onAudioScores?.(layer, scores));
    x = add(x, attention(query, crossAttention(layer), decoderHeads, memory, inputs.frameBias));
    x = add(x, feedForward(normalized(x, `${name}.final_layer_norm`), name, decoderFfn));
    layers.push(x);
  }
  graph.checkpoint(x);
  return { hidden: normalized(x, 'model.decoder.layer_norm'), layers, present };
}

/** The source, with `look` called on its scores. */
function observed(memory: AttentionSource, look: (scores: Tensor) => void): AttentionSource {
  return {
    ...memory,
    scores: (queries) => {
      const scores = memory.scores(queries);
      look(scores);
      return scores;
    },
  };
}

/** Rows of the token embedding [batch, tokens, width]. */
function embedded(tokens: Tensor, dimensions: WhisperDimensions): Tensor {
  const { graph } = tokens;
  const { vocabulary, width } = dimensions;
  const rows = gather(tokenEmbedding(graph, dimensions), tokens);
  if (!variantOf(graph).languageRow) return rows;
  const isLast = reshape(greater(tokens, graph.integers([vocabulary - 2])), [...tokens.shape, 1]);
  return add(rows, mul(isLast, weight(graph, LANGUAGE_ROW, [1, width])));
}

export function tokenEmbedding(graph: Graph, { vocabulary, width }: WhisperDimensions): Tensor {
  return weight(graph, TOKEN_EMBEDDING, [vocabulary, width]);
}

/**
 * Cross-attention keys and values of encoder frames.
 * Input `frames` [batch, frames, width]; outputs `keys.<layer>` and `values.<layer>`.
 */
export function audioMemoryGraph(dimensions: WhisperDimensions, variant: ModelVariant = {}): Graph {
  const graph = new Graph();
  setVariant(graph, variant);
  const frames = graph.input('frames', ['batch', 'frames', dimensions.width]);
  for (let layer = 0; layer < dimensions.decoderLayers; layer++) {
    const { keys, values } = keysAndValues(frames, crossAttention(layer), dimensions.decoderHeads);
    graph.output(`keys.${layer}`, keys);
    graph.output(`values.${layer}`, values);
  }
  return graph;
}

/** Output tokens of a decoding step: all, or those of a target vocabulary, in the order of their ids. */
export interface OutputTokens {
  /** The output matrix: the token embedding, or a part of it. */
  readonly weight: string;
  /** Number of output tokens. */
  readonly count: number;
  /** Place of the end of text: words come before it. */
  readonly endOfText: number;
  /** Place of <|nospeech|>, just before <|notimestamps|>. */
  readonly noSpeech: number;
  /** Place of the first timestamp, <|0.00|>. */
  readonly timestamps: number;
  /** Number of tokens after the timestamps, which fine-tuning has added. */
  readonly added: number;
}

/**
 * One step of cached decoding. The texts of a clip (beams), equally many for each, are the queries of one attention: they
 * look at the same frames, and their keys and values lie in one cache, of which `textBias` shows each text its own.
 *
 * Inputs: `tokens` and `positions` [clips, tokens] of all texts of a clip; `rows` int64 [rows], the clips·tokens positions to
 * predict from; `textBias` [clips, 1, tokens, past + tokens]; `frameBias` [clips, 1, 1, frames]; for each layer
 * `past.keys.<layer>` and `past.values.<layer>` (0 long at first), `keys.<layer>` and `values.<layer>` of the audio.
 * `suppression` [output tokens] is added to the logits: 0 for allowed tokens, MASKED for others, whose places are
 * `suppressedTokens` int64 [suppressed]. `count` [1] is the number of candidates. With timestamps also, for each row,
 * `wordBias` and `otherBias` [rows, 1] and `timestampBias` [rows, timestamps], which are added to the logits of words, of
 * other tokens, and of timestamps.
 *
 * Outputs: the likeliest allowed tokens, `candidates` [rows, count] (places among the output tokens), and
 * their `logProbabilities` [rows, count] among all tokens; `allowed` [rows, 1], the log probability of all allowed
 * tokens together; `noSpeech` [rows, 1], log probability of <|nospeech|>; `logits`
 * [rows, output tokens], suppression added; `present.keys.<layer>` and `present.values.<layer>`.
 */
export function decodingStepGraph(
  dimensions: WhisperDimensions,
  output: OutputTokens,
  withTimestamps: boolean,
  variant: ModelVariant = {},
): Graph {
  const { decoderHeads: heads, width } = dimensions;
  const headWidth = width / heads;
  const graph = new Graph();
  setVariant(graph, variant);
  const tokens = graph.input('tokens', ['clips', 'tokens'], 'int64');
  const rows = graph.input('rows', ['rows'], 'int64');
  const given = (prefix: string, length: string, layer: number): KeysAndValues => ({
    keys: graph.input(`${prefix}keys.${layer}`, ['clips', heads, headWidth, length]),
    values: graph.input(`${prefix}values.${layer}`, ['clips', heads, length, headWidth]),
  });
  const { hidden, present } = decoder(dimensions, {
    tokens,
    positions: graph.input('positions', ['clips', 'tokens'], 'int64'),
    textBias: graph.input('textBias', ['clips', 1, 'tokens', sumOfSizes(['past', 'tokens'])]),
    audio: (layer) => sourceOf(given('', 'frames', layer)),
    frameBias: graph.input('frameBias', ['clips', 1, 1, 'frames']),
    past: (layer) => given('past.', 'past', layer),
  });
  const flat = reshape(hidden, [product(['clips', 'tokens']), width]);
  const predicting = gather(flat, rows);
  const matrix = graph.parameter(output.weight, [output.count, width]);
  // As the bias of the product the suppression costs nothing.
  const suppressed = linearProduct(
    predicting,
    output.weight,
    output.count,
    graph.input('suppression', [output.count]),
  );
  const count = graph.input('count', [1], 'int64');
  const best = withTimestamps ? likeliestByRules(suppressed, output, count) : likeliest(suppressed, count);
  // The total: the mass of all tokens that are not suppressed, and of the few that are.
  const others = linear(predicting, gather(matrix, graph.input('suppressedTokens', ['suppressed'], 'int64')));
  const all = logSumExp(concat([best.total, others], 1));
  graph.output('logits', suppressed);
  graph.output('candidates', best.tokens);
  graph.output('logProbabilities', sub(best.logits, all));
  graph.output('allowed', sub(best.mass, all));
  graph.output('noSpeech', sub(linear(predicting, gather(matrix, graph.integers([output.noSpeech]))), all));
  present.forEach(({ keys, values }, layer) => {
    graph.output(`present.keys.${layer}`, keys);
    graph.output(`present.values.${layer}`, values);
  });
  return graph;
}

/** The likeliest tokens of each row. */
interface Likeliest {
  /** Their places among the output tokens, int64 [rows, count]. */
  readonly tokens: Tensor;
  /** [rows, count] */
  readonly logits: Tensor;
  /** Logarithm of the mass of all allowed tokens, [rows, 1]. */
  readonly mass: Tensor;
  /** The same with those that the rules of timestamps do not allow, [rows, 1]. */
  readonly total: Tensor;
}

/** @param count int64 [1] */
function likeliest(logits: Tensor, count: Tensor): Likeliest {
  // LogSoftmax is several times faster than ReduceLogSumExp, which is then the difference of a logit and its log probability.
  const best = topK(logSoftmax(logits), count, 'candidates');
  const mass = max(sub(takeAlong(logits, best.indices), best.values), 1);
  return { tokens: best.indices, logits: add(best.values, mass), mass, total: mass };
}

/**
 * Likeliest tokens by the timestamp rule that depends on probabilities, beside those of the caller (the three biases): where
 * the timestamps together are likelier than any other token, one of them must follow (Radford et al. 2022).
 *
 * What is added to the words' logits is one number for each row, so it is added to the likeliest words and to the mass of
 * all words: passes over every word's logit are most of the time of a step of many texts.
 */
function likeliestByRules(
  all: Tensor,
  { endOfText, timestamps, count: outputs, added }: OutputTokens,
  count: Tensor,
): Likeliest {
  const { graph } = all;
  const stampCount = outputs - added - timestamps;
  const parts = [endOfText, timestamps - endOfText, stampCount, ...(added > 0 ? [added] : [])];
  const [words, others, stamps, ...addedText] = split(all, 1, parts);
  const wordCount = smaller(count, graph.integers([endOfText]));
  const best = likeliest(words!, wordCount);
  const wordBias = graph.input('wordBias', ['rows', 1]);
  const addedLogits = addedText.map((part) => add(part, wordBias));
  const otherLogits = add(others!, graph.input('otherBias', ['rows', 1]));
  const stampLogits = add(stamps!, graph.input('timestampBias', ['rows', stampCount]));
  const textLogits = [add(best.logits, wordBias), ...addedLogits, otherLogits];
  const likeliestText = max(
    concat(
      textLogits.map((part) => max(part, 1)),
      1,
    ),
    1,
  );
  const onlyStamps = scale(greater(logSumExp(stampLogits), likeliestText), MASKED);
  const ofWords = add(wordBias, onlyStamps);
  // All tokens after the words, in the order of their places.
  const rest = [
    add(otherLogits, onlyStamps),
    stampLogits,
    ...addedLogits.map((part) => add(part, onlyStamps)),
  ];
  const chosen = topK(concat([add(best.logits, ofWords), ...rest], 1), count, 'candidates');
  const word = takeAlong(best.tokens, smaller(chosen.indices, sub(wordCount, graph.integers([1]))));
  const afterWords = add(sub(chosen.indices, wordCount), graph.integers([endOfText]));
  return {
    tokens: where(less(chosen.indices, wordCount), word, afterWords),
    logits: chosen.values,
    mass: logSumExp(concat([add(best.mass, ofWords), ...rest], 1)),
    total: logSumExp(concat([best.mass, others!, stamps!, ...addedText], 1)),
  };
}

/**
 * Selects keys and values of some clips of a batch, of their audio or (`past.`) of their texts, for the next decoding steps.
 * Inputs: `rows` int64 [rows], and `<prefix>keys.<layer>`, `<prefix>values.<layer>`; outputs: the same names, after
 * `selected.`.
 */
export function selectionGraph(dimensions: WhisperDimensions, prefix: '' | 'past.'): Graph {
  const { decoderHeads: heads, width, decoderLayers } = dimensions;
  const graph = new Graph();
  const rows = graph.input('rows', ['rows'], 'int64');
  for (let layer = 0; layer < decoderLayers; layer++) {
    const keys = graph.input(`${prefix}keys.${layer}`, ['batch', heads, width / heads, 'length']);
    const values = graph.input(`${prefix}values.${layer}`, ['batch', heads, 'length', width / heads]);
    graph.output(`selected.${keys.name}`, take(keys, rows));
    graph.output(`selected.${values.name}`, take(values, rows));
  }
  return graph;
}

/**
 * Cross-attention scores (before the softmax) of chosen heads between tokens of finished texts and frames, for word
 * timestamps.
 *
 * Inputs: `tokens` and `positions` [texts, tokens], `textBias` [1, 1, tokens, tokens], `frames` [texts, frames, width],
 * `frameBias` [texts, 1, 1, frames], `labels` int64 [texts·tokens]: the token after each.
 * Outputs: `scores` [heads chosen, texts, tokens, frames]; `logProbability` [texts·tokens, 1] of each label.
 * @param heads pairs of layer and head
 */
export function alignmentGraph(
  dimensions: WhisperDimensions,
  heads: readonly (readonly [layer: number, head: number])[],
): Graph {
  const { width } = dimensions;
  const graph = new Graph();
  const frames = graph.input('frames', ['texts', 'frames', width]);
  const chosen: Tensor[] = [];
  const { hidden } = decoder(dimensions, {
    tokens: graph.input('tokens', ['texts', 'tokens'], 'int64'),
    positions: graph.input('positions', ['texts', 'tokens'], 'int64'),
    textBias: graph.input('textBias', [1, 1, 'tokens', 'tokens']),
    audio: (layer) => absorbedSource(frames, crossAttention(layer), dimensions.decoderHeads),
    frameBias: graph.input('frameBias', ['texts', 1, 1, 'frames']),
    onAudioScores: (layer, scores) => {
      const wanted = heads.flatMap(([l, head]) => (l === layer ? [head] : []));
      // [texts, heads, tokens, frames] → [heads chosen, texts, tokens, frames]
      if (wanted.length > 0) chosen.push(take(transpose(scores, [1, 0, 2, 3]), graph.integers(wanted)));
    },
  });
  graph.output('scores', concat(chosen, 0));
  const count = product(['texts', 'tokens']);
  const logits = linear(reshape(hidden, [count, width]), tokenEmbedding(graph, dimensions));
  const labels = graph.input('labels', [count], 'int64');
  graph.output('logProbability', sub(gatherElement(logits, labels), logSumExp(logits)));
  return graph;
}
