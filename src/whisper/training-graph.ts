/** A training step as one graph: teacher forcing over encoder frames, a loss of the decoder's outputs, gradients. */

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

/** Decoder outputs at the positions whose prediction enters the loss ("rows"). */
export interface DecoderOutputs {
  /** Hidden states after the final layer norm [rows, width]. */
  readonly hidden: Tensor;
  /** Output of a layer before any norm, [rows, width]; added to the graph on demand. */
  readonly layer: (index: number) => Tensor;
  /** The output matrix: logits are its product with `hidden`. [outputs, width] */
  readonly output: Tensor;
}

/** Tensors that a loss is computed from. */
export interface Predictions extends DecoderOutputs {
  readonly graph: Graph;
  readonly dimensions: WhisperDimensions;
  /** Index of the correct output, int64 [rows]. */
  readonly labels: Tensor;
  /** Weight of each row in the loss, [rows]; their sum is 1, unless an objective feeds others. */
  readonly weights: Tensor;
  /**
   * Outputs of another decoder for the same tokens. Its weights' names begin with `prefix`.
   * @param memory encoder frames for it. Default: those of the first decoder
   */
  readonly secondDecoder: (
    prefix: string,
    dimensions: WhisperDimensions,
    memory?: EncoderMemory,
  ) => DecoderOutputs;
}

/** Encoder frames [batch, frames, width], and the bias of their attention scores [batch, 1, 1, frames]. */
export interface EncoderMemory {
  readonly frames: Tensor;
  readonly frameBias: Tensor;
}

export interface Loss {
  /** A scalar, shape []. */
  readonly loss: Tensor;
  /** Scalars to report with it, by name. */
  readonly metrics?: Readonly<Record<string, Tensor>>;
}

export type LossBuilder = (predictions: Predictions) => Loss;

/** Mean cross-entropy. */
export const crossEntropyLoss: LossBuilder = ({ hidden, output, labels, weights }) => ({
  loss: fusedCrossEntropy(hidden, output, labels, weights),
});

export interface TrainingGraphOptions {
  /** The softmax is over the tokens of the input `outputIds` only. */
  readonly withOutputIds?: boolean;
  /**
   * `frames`: encoder outputs are an input. `mel`: the graph contains the encoder, which can be trained; its inputs are
   * those of `encoderFrames`.
   */
  readonly audio?: 'frames' | 'mel';
  readonly variant?: ModelVariant;
  readonly loss?: LossBuilder;
  /** Keep only the layers' inputs and recompute the rest in the backward pass: see backward.ts. */
  readonly recompute?: boolean;
}

/**
 * Inputs: `frames` [batch, frames, width]; `frameBias` [batch, 1, 1, frames]; `tokens` and `positions` [batch, tokens];
 * `textBias` [1, 1, tokens, tokens]; `rows` [rows], which of the batch·tokens positions enter the loss;
 * `labels` [rows], the token after each; `weights` [rows], the weight of each in the loss.
 * `outputIds` int64 [outputs], with a target vocabulary: the tokens of the softmax; labels are then indices into
 * them. And the inputs that `loss` declares.
 * Outputs: `loss`, its metrics, and one gradient for each of `trained`.
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
  const objective = loss({
    graph,
    dimensions,
    ...runDecoder(dimensions, memory),
    labels: graph.input('labels', ['rows'], 'int64'),
    weights: graph.input('weights', ['rows']),
    secondDecoder: (prefix, dims, theirs = memory) =>
      withVariant(graph, { prefix }, () => runDecoder(dims, theirs)),
  });
  graph.output('loss', objective.loss);
  for (const [name, value] of Object.entries(objective.metrics ?? {}))
    graph.output(reportOutput(name), value);
  const parameters = trained.map((name) => {
    const parameter = graph.parameters.get(name);
    if (!parameter) throw new Error(`internal: "${name}" is no weight of the training graph`);
    return parameter;
  });
  backward(objective.loss, parameters, { recompute }).forEach((gradient, i) =>
    graph.output(gradientOutput(trained[i]!), gradient),
  );
  return graph;
}

/**
 * Encoder frames, followed by each clip's silence tail (silence-tail.ts), which was computed before the training and is
 * not updated. Inputs: `mel` [batch, mel bins, melFrames], `audioPositions` int64 [audioFrames], `tail` [batch, tail, width],
 * and those of `silenceContext`.
 * @returns [batch, audioFrames + tail, width]
 */
function encoderFrames(graph: Graph, dimensions: WhisperDimensions): Tensor {
  const mel = graph.input('mel', ['batch', dimensions.melBins, 'melFrames']);
  const positions = graph.input('audioPositions', ['audioFrames'], 'int64');
  const tail = graph.input('tail', ['batch', 'tail', dimensions.width]);
  return concat(
    [encoder(dimensions, mel, positions, silenceContext(graph, dimensions, 'audioFrames')), tail],
    1,
  );
}

/** Names of all decoder weights, in the order in which the model uses them. */
export function decoderWeights(dimensions: WhisperDimensions): string[] {
  return [...trainingGraph(dimensions, []).parameters.keys()];
}
