/** What a training run will need, told before it starts. */

import { whisperTensors } from '../whisper/checkpoint.ts';
import { isDeferred } from '../whisper/deferred-clip.ts';
import { isMelClip } from '../whisper/mel-batch.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type Example, readyExample, trainingBatch } from './batches.ts';
import { expertShapes } from './experts.ts';
import { adapterShapes } from './lora.ts';
import { crossEntropy } from './objective.ts';
import { scaledWeights } from './quantization.ts';
import type { TrainingOptions } from './train.ts';
import { tunedWeights, tunesEncoder, tuningAdapters } from './tuned-weights.ts';

/** Bytes. */
export interface MemoryNeeds {
  /** All weights as float32; with quantisation also what a step sees of the trained ones. */
  readonly weights: number;
  /** Gradients, AdamW's two moments, and the trained weights' place among them. */
  readonly optimizer: number;
  /** What a step on the largest batch keeps for its gradient. */
  readonly activations: number;
  /** Encoder outputs of the clips. */
  readonly clips: number;
  /** Copy of trained weights and moments while a checkpoint is written. */
  readonly checkpoint: number;
  /** Node, onnxruntime, tokenizer. */
  readonly program: number;
  /** The largest batch. */
  readonly batch: { readonly clips: number; readonly frames: number; readonly tokens: number };
}

/** Measured: a process that has loaded a model's tokenizer and runtime, without its weights. */
const PROGRAM_BYTES = 250e6;

/**
 * Activations follow from the training graph (decoder.ts, layers.ts): what each layer keeps until its gradient is made.
 * With N = clips × tokens, width D, H heads, F frames, inner width I, per layer and in floats:
 *
 *     20·N·D              norms, projections and residuals of both attentions
 *     2·H·N·T             self-attention: scores and their softmax, T tokens
 *     2·H·N·F + 2·H·N·D   cross-attention: scores and softmax, and the frames mixed by them
 *     3·N·I               the inner layer, before and after its activation; with experts, two of them
 *
 * and once: logits and probabilities of the predictions that count (2·rows·outputs), and the frames transposed.
 *
 * All needs together, against the measured peak of Whisper base: 16 short clips +18 %, 8 with a dense embedding −1 %, 8 in
 * full windows +11 %.
 */
export async function memoryNeeds(
  model: WhisperModel,
  examples: readonly Example[],
  options: TrainingOptions,
): Promise<MemoryNeeds> {
  const { dimensions } = model;
  const { width, decoderLayers, decoderHeads, decoderFfn } = dimensions;
  const whole = whisperTensors(dimensions);
  const adapters = tuningAdapters(dimensions, options);
  const { experts } = options;
  const shapes = new Map([
    ...whole,
    ...(adapters ? adapterShapes(dimensions, adapters) : []),
    ...(experts ? expertShapes(dimensions, experts) : []),
  ]);
  const elements = (names: Iterable<string>): number =>
    [...names].reduce((sum, name) => sum + shapes.get(name)!.reduce((product, n) => product * n, 1), 0);
  const { weights: own = [], needs: needsOf } = options.objective ?? crossEntropy;
  const trained =
    elements(tunedWeights(dimensions, options)) +
    own.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);

  const [clips, frames, tokens, rows] = await largestBatch(model, examples, options);
  const n = clips * tokens;
  const perLayer =
    20 * n * width +
    2 * decoderHeads * n * tokens +
    2 * decoderHeads * n * (frames + width) +
    (experts ? 2 : 1) * 3 * n * decoderFfn;
  const outputs = options.vocabulary ? model.output(options.vocabulary).ids.length : dimensions.vocabulary;
  const heard = tunesEncoder(options) ? encoderFloats(dimensions, clips, frames) : 0;
  const objective = needsOf?.({ clips, frames, tokens, rows, outputs });
  const floats =
    heard + decoderLayers * perLayer + 2 * rows * outputs + (decoderLayers + 1) * clips * frames * width;
  return {
    weights:
      4 * (elements(whole.keys()) + elements(scaledWeights(dimensions, options))) + (objective?.weights ?? 0),
    optimizer: 12 * trained,
    activations: 4 * floats + (objective?.activations ?? 0),
    clips: examples.reduce((sum, { clip }) => sum + heldBytes(clip), 0),
    checkpoint: 12 * trained,
    program: PROGRAM_BYTES,
    batch: { clips, frames, tokens },
  };
}

function heldBytes(clip: Example['clip']): number {
  if (isDeferred(clip)) return 0;
  return (isMelClip(clip) ? clip.mel : clip.frames).byteLength;
}

/** As above, of the encoder: frames for tokens, one attention, and the two convolutions' inputs and outputs. */
function encoderFloats(
  { width, encoderLayers, encoderHeads, encoderFfn, melBins }: WhisperModel['dimensions'],
  clips: number,
  frames: number,
): number {
  const n = clips * frames;
  const perLayer = 12 * n * width + 2 * encoderHeads * n * frames + 3 * n * encoderFfn;
  return encoderLayers * perLayer + n * (2 * melBins + 6 * width);
}

export function totalBytes({ batch: _, ...needs }: MemoryNeeds): number {
  return Object.values(needs).reduce((sum, bytes) => sum + bytes, 0);
}

/** The longest clips together: the sampler puts like with like. */
async function largestBatch(
  model: WhisperModel,
  examples: readonly Example[],
  { batchSize }: TrainingOptions,
): Promise<[clips: number, frames: number, tokens: number, rows: number]> {
  const size = ({ clip, tokens }: Example): number => clip.window + 4 * tokens.length;
  const longest = [...examples].sort((a, b) => size(b) - size(a)).slice(0, batchSize);
  const tails = await model.silenceTailsFor(longest.map(({ clip }) => clip));
  const ready = await Promise.all(longest.map((example) => readyExample(example, 0)));
  const { feeds } = trainingBatch(ready, tails, model.tokens.endOfText);
  const [clips, , , frames] = feeds.frameBias!.shape;
  return [clips!, frames!, feeds.tokens!.shape[1]!, feeds.rows!.shape[0]!];
}
