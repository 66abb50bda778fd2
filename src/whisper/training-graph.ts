/** A training step as one graph: teacher forcing over encoder frames, a loss of what the decoder made, gradients. */

import { gradientOutput, reportOutput } from '../backend/runtime.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { backward } from '../graph/backward.ts';
import { Graph, product, type Tensor } from '../graph/graph.ts';
import { concat, gather, reshape } from '../graph/ops.ts';
import { fusedCrossEntropy } from '../graph/output-loss.ts';
import { crossAttention, decoder, tokenEmbedding } from './decoder.ts';
import { encoder, silenceContext } from './encoder.ts';
import { absorbedSource } from './layers.ts';
import { type ModelVariant, setVariant, withVariant } from './variant.ts';

/** What a decoder made of a batch, at the positions that predict something that counts: the rows. */
export interface DecoderOutputs {
  /** Hidden states after the final layer norm [rows, width]. */
  readonly hidden: Tensor;
  /** What each layer gives to the next, [rows, width]: before any norm. Made when it is asked for. */
  readonly layer: (index: number) => Tensor;
  /** The output matrix: logits are its product with `hidden`. [outputs, width] */
  readonly output: Tensor;
}

/** What a loss can be made of. */
export interface Predictions extends DecoderOutputs {
  readonly graph: Graph;
  readonly dimensions: WhisperDimensions;
  /** int64 [rows]: the right one of the outputs */
  readonly labels: Tensor;
  /** `[rows]`: each one's share in the loss; together 1, or as an objective's feeds have it. */
  readonly weights: Tensor;
  /**
   * What another decoder makes of the same tokens. Its weights' names begin with `prefix`.
   * @param memory what it hears, [batch, frames, its width], and as `frameBias`; without, what this one hears
   */
  readonly secondDecoder: (
    prefix: string,
    dimensions: WhisperDimensions,
    memory?: EncoderMemory,
  ) => DecoderOutputs;
}

/** Encoder frames [batch, frames, width], and what is added to their scores [batch, 1, 1, frames]. */
export interface EncoderMemory {
  readonly frames: Tensor;
  readonly frameBias: Tensor;
}

export interface Loss {
  /** A scalar, shape []. */
  readonly loss: Tensor;
  /** Scalars that are told with it, by name. */
  readonly metrics?: Readonly<Record<string, Tensor>>;
}

export type MakeLoss = (predictions: Predictions) => Loss;

/** Mean cross-entropy. */
export const crossEntropyLoss: MakeLoss = ({ hidden, output, labels, weights }) => ({
  loss: fusedCrossEntropy(hidden, output, labels, weights),
});

export interface TrainingGraphOptions {
  /** The softmax is over the tokens of the input `outputIds` only. */
  readonly withOutputIds?: boolean;
  /**
   * Where the frames come from: `frames`, given as an input; or `mel`, the encoder, which can then be trained. Inputs
   * instead of `frames` are then those of `encoderFrames`.
   */
  readonly audio?: 'frames' | 'mel';
  readonly variant?: ModelVariant;
  readonly loss?: MakeLoss;
  /** Keep only the layers' inputs for the gradient: see backward.ts. */
  readonly recompute?: boolean;
}

/**
 * Inputs: `frames` [batch, frames, width]; `frameBias` [batch, 1, 1, frames]; `tokens` and `positions` [batch, tokens];
 * `textBias` [1, 1, tokens, tokens]; `rows` [rows], which of the batch·tokens positions predict something that counts;
 * `labels` [rows], what comes after them; `weights` [rows], each one's share in the loss.
 * `outputIds` int64 [outputs], with a target vocabulary: the tokens that the decoder chooses among; labels are then places
 * among them. And those that `loss` declares.
 * Outputs: `loss`, what is reported with it, and one gradient for each of `trained`.
 */
export function trainingGraph(
  dimensions: WhisperDimensions,
  trained: readonly string[],
  {
    withOutputIds = false,
    audio = 'frames',
    variant = {},
    loss = crossEntropyLoss,
    recompute = false,
  }: TrainingGraphOptions = {},
): Graph {
  const graph = new Graph();
  setVariant(graph, variant);
  const frames =
    audio === 'mel'
      ? encoderFrames(graph, dimensions)
      : graph.input('frames', ['batch', 'frames', dimensions.width]);
  const memory = { frames, frameBias: graph.input('frameBias', ['batch', 1, 1, frames.shape[1]!]) };
  const tokens = graph.input('tokens', ['batch', 'tokens'], 'int64');
  const positions = graph.input('positions', ['batch', 'tokens'], 'int64');
  const textBias = graph.input('textBias', [1, 1, 'tokens', 'tokens']);
  const rows = graph.input('rows', ['rows'], 'int64');
  const outputIds = withOutputIds ? graph.input('outputIds', ['outputs'], 'int64') : undefined;
  const runDecoder = (dims: WhisperDimensions, { frames, frameBias }: EncoderMemory): DecoderOutputs => {
    const { hidden, layers } = decoder(dims, {
      tokens,
      positions,
      textBias,
      audio: (layer) => absorbedSource(frames, crossAttention(layer), dims.decoderHeads),
      frameBias,
    });
    const atRows = (x: Tensor): Tensor =>
      gather(reshape(x, [product(['batch', 'tokens']), dims.width]), rows);
    const embedding = tokenEmbedding(graph, dims);
    return {
      hidden: atRows(hidden),
      layer: (index) => atRows(layers[index]!),
      output: outputIds ? gather(embedding, outputIds) : embedding,
    };
  };
  const made = loss({
    graph,
    dimensions,
    ...runDecoder(dimensions, memory),
    labels: graph.input('labels', ['rows'], 'int64'),
    weights: graph.input('weights', ['rows']),
    secondDecoder: (prefix, dims, theirs = memory) =>
      withVariant(graph, { prefix }, () => runDecoder(dims, theirs)),
  });
  graph.output('loss', made.loss);
  for (const [name, value] of Object.entries(made.metrics ?? {})) graph.output(reportOutput(name), value);
  const parameters = trained.map((name) => {
    const parameter = graph.parameters.get(name);
    if (!parameter) throw new Error(`internal: "${name}" is no weight of the training graph`);
    return parameter;
  });
  backward(made.loss, parameters, { recompute }).forEach((gradient, i) =>
    graph.output(gradientOutput(trained[i]!), gradient),
  );
  return graph;
}

/**
 * Encoder frames, and after each clip's what the encoder made of silence before the training (silence-tail.ts), which
 * stays as it is. Inputs: `mel` [batch, mel bins, melFrames], `audioPositions` int64 [heard], `tail` [batch, tail, width],
 * and those of `silenceContext`.
 * @returns [batch, heard + tail, width]
 */
function encoderFrames(graph: Graph, dimensions: WhisperDimensions): Tensor {
  const mel = graph.input('mel', ['batch', dimensions.melBins, 'melFrames']);
  const positions = graph.input('audioPositions', ['heard'], 'int64');
  const tail = graph.input('tail', ['batch', 'tail', dimensions.width]);
  return concat([encoder(dimensions, mel, positions, silenceContext(graph, dimensions, 'heard')), tail], 1);
}

/** Names of all decoder weights, in the order in which the model uses them. */
export function decoderWeights(dimensions: WhisperDimensions): string[] {
  return [...trainingGraph(dimensions, []).parameters.keys()];
}
