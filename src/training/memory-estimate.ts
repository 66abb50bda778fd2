/** Estimates the memory of a training run before it starts. */

import type { HostTensor } from '../backend/runtime.ts';
import { sessionMemory } from '../backend/session-memory.ts';
import { whisperTensors } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { HELD_WITHOUT } from '../features/encoder-outputs.ts';
import type { Graph } from '../graph/graph.ts';
import { peakMemory } from '../graph/peak-memory.ts';
import { LANGUAGE_ROW } from '../whisper/decoder.ts';
import { isLazy, isMel, type ReadyClip } from '../whisper/lazy.ts';
import { isMelClip } from '../whisper/mel-batch.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type Example, type ReadyExample, tokenCount, trainingBatch, withClip } from './batches.ts';
import { expertShapes, trainedExperts } from './experts.ts';
import { adapterShapes } from './lora.ts';
import { crossEntropy } from './objective.ts';
import { scaledWeights } from './quantization.ts';
import type { TrainingOptions } from './train.ts';
import { tunedWeights, tuningAdapters, tuningGraph } from './tuned-weights.ts';

/** Memory of a training run, bytes. */
export interface MemoryEstimate {
  /** All weights as float32; with quantisation also the rounded copies of the trained ones. */
  readonly weights: number;
  /** Gradients, where batches are accumulated their sums, and AdamW's two moments. */
  readonly optimizer: number;
  /** Peak of the activations of a step on the largest batch, and what batches of other lengths leave between them. */
  readonly activations: number;
  /** Clips that are held: encoder outputs, or log-mels where the encoder is trained. */
  readonly clips: number;
  /** Copy of trained weights and moments while a checkpoint is written. */
  readonly checkpoint: number;
  /** Node, onnxruntime, tokenizer, the rows of the manifests. */
  readonly program: number;
  /** On a graphics card, the memory there. */
  readonly card?: number;
  /** The largest batch. */
  readonly batch: { readonly clips: number; readonly frames: number; readonly tokens: number };
}

/**
 * Measured memory of a process beside its weights when training begins. A part of it (0.15 GB) was freed by the encoder,
 * and large batches reuse some of that.
 */
const PROGRAM_BYTES = 380e6;

/**
 * Measured memory of a clip beside its speech: its row, its example, what is known of its file (1.7 kB in use, 3.2 kB
 * resident). `npm run bench -- paper` has so many that it counts.
 */
const ROW_BYTES = 2500;

/**
 * Measured in runs of hundreds of steps whose batches differ in length: a share of the activations, as onnxruntime's pieces of
 * one size serve others badly, and bytes that do not depend on the batch.
 */
const LENGTHS_SHARE = 0.35;
const LENGTHS_BYTES = 200e6;

/**
 * Copies of the trained weights' size that a step on a card holds beside the weights: weights and two moments before it and
 * after, gradients, and intermediate results of AdamW. Counted in the graph, not measured.
 */
const CARD_COPIES = 8;

/**
 * Estimates activations from the graph of a step: the results that live at the same time, for the largest batch. Measured
 * by `npm run bench -- training-memory`.
 * @param held bytes of clips that are held in memory at most; others are read when a batch needs them
 */
export async function estimateMemory(
  model: WhisperModel,
  examples: readonly Example[],
  options: TrainingOptions,
  held = HELD_WITHOUT,
): Promise<MemoryEstimate> {
  const { dimensions } = model;
  const whole = whisperTensors(dimensions);
  const adapters = tuningAdapters(dimensions, options);
  const experts = trainedExperts(options);
  const shapes = new Map([
    ...whole,
    ...(adapters ? adapterShapes(dimensions, adapters) : []),
    ...(experts ? expertShapes(dimensions, experts) : []),
    [LANGUAGE_ROW, [1, dimensions.width]],
  ]);
  const elements = (names: Iterable<string>): number =>
    [...names].reduce((sum, name) => sum + shapes.get(name)!.reduce((product, n) => product * n, 1), 0);
  const { weights: own = [], memory: objectiveMemory } = options.objective ?? crossEntropy;
  const trained =
    elements(tunedWeights(dimensions, options)) +
    own.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);

  const feeds = await largestBatch(model, examples, options);
  const [clips, , , frames] = feeds.frameBias!.shape;
  const tokens = feeds.tokens!.shape[1]!;
  const { vocabulary, objective, recompute, accumulate = 1 } = options;
  const graph = tuningGraph(dimensions, options, {
    withOutputIds: vocabulary !== undefined,
    objective,
    recompute,
  });
  const activations = peakMemory(graph, sizesOf(graph, feeds), sessionMemory(graph));
  // Where one step has all clips, each has the same shape.
  const varies = examples.length > accumulate * options.batchSize;
  // Its activations are the graph's.
  const others = objectiveMemory?.({
    clips: clips!,
    frames: frames!,
    tokens,
    rows: feeds.rows!.shape[0]!,
    outputs: vocabulary ? model.output(vocabulary).ids.length : dimensions.vocabulary,
  });
  return {
    weights:
      4 *
        (elements(whole.keys()) +
          elements(scaledWeights(dimensions, options)) +
          elements(experts ? expertShapes(dimensions, experts).keys() : [])) +
      (others?.weights ?? 0),
    optimizer: (accumulate > 1 ? 16 : 12) * trained,
    activations: (varies ? 1 + LENGTHS_SHARE : 1) * activations,
    clips: Math.min(
      held,
      examples.reduce((sum, { clip }) => sum + heldBytes(clip, dimensions), 0),
    ),
    checkpoint: 12 * trained,
    program: PROGRAM_BYTES + (varies ? LENGTHS_BYTES : 0) + ROW_BYTES * examples.length,
    batch: { clips: clips!, frames: frames!, tokens },
    ...(model.runtime.device !== 'cpu' && {
      card:
        4 * elements(whole.keys()) +
        CARD_COPIES * 4 * trained +
        (accumulate > 1 ? 8 * trained : 0) +
        activations,
    }),
  };
}

function heldBytes(clip: Example['clip'], { melBins, width }: WhisperDimensions): number {
  if (isLazy(clip)) return isMel(clip) ? 8 * melBins * clip.window : 2 * clip.window * width;
  return (isMelClip(clip) ? clip.mel : clip.frames).byteLength;
}

/** An example of the same size, for a clip that is not read yet. */
function sized(example: Example, { melBins, width }: WhisperDimensions): ReadyExample {
  const { clip } = example;
  if (!isLazy<ReadyClip>(clip)) return withClip(example, clip);
  const { window, length } = clip;
  const values: ReadyClip = isMel(clip)
    ? { mel: new Float32Array(2 * melBins * window), window, length }
    : { frames: new Uint16Array(window * width), window, length, width };
  return withClip(example, values);
}

export function totalBytes({ batch: _, card: _card, ...needs }: MemoryEstimate): number {
  return Object.values(needs).reduce((sum, bytes) => sum + bytes, 0);
}

/** In the order of the sampler. Few are tokenised: in falling order of upper bounds, until no other can be longer. */
function longestExamples(examples: readonly Example[], count: number): readonly Example[] {
  const size = (example: Example): number => example.clip.window + 4 * tokenCount(example);
  const bound = (example: Example): number =>
    example.clip.window + 4 * (example.maxLength ?? tokenCount(example));
  const candidates = [...examples].sort((a, b) => bound(b) - bound(a));
  let longest: Example[] = [];
  for (let start = 0; start < candidates.length; start += count) {
    const some = candidates.slice(start, start + count);
    if (longest.length === count && bound(some[0]!) <= size(longest.at(-1)!)) break;
    longest = [...longest, ...some].sort((a, b) => size(b) - size(a)).slice(0, count);
  }
  return longest;
}

/** The longest clips together, as the sampler groups similar lengths. */
async function largestBatch(
  model: WhisperModel,
  examples: readonly Example[],
  { batchSize, vocabulary }: TrainingOptions,
): Promise<Readonly<Record<string, HostTensor>>> {
  const longest = longestExamples(examples, batchSize);
  const tails = await model.silenceTailsFor(longest.map(({ clip }) => clip));
  const ready = longest.map((example) => sized(example, model.dimensions));
  const outputIds = vocabulary && model.output(vocabulary).ids;
  return trainingBatch(ready, tails, model.tokens.endOfText, outputIds).feeds;
}

/** Values of named sizes. Inputs that only an objective feeds are as long as the batch's. */
function sizesOf(graph: Graph, feeds: Readonly<Record<string, HostTensor>>): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { name, shape } of graph.inputs.values()) {
    shape.forEach((dim, axis) => {
      if (typeof dim === 'string' && feeds[name]) sizes.set(dim, feeds[name].shape[axis]!);
    });
  }
  const frames = feeds.frameBias!.shape[3]!;
  for (const { shape } of graph.inputs.values()) {
    for (const dim of shape) if (typeof dim === 'string' && !sizes.has(dim)) sizes.set(dim, frames);
  }
  return sizes;
}
