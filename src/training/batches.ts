/** Batches of examples as inputs of the training graph. */

import { float32, type HostTensor, int64 } from '../backend/runtime.ts';
import type { Clip } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { largest } from '../extremes.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import { causalBias } from '../whisper/causal-bias.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { isLazy, type Lazy, type ReadyClip } from '../whisper/lazy.ts';
import { isMelClip, melBatch } from '../whisper/mel-batch.ts';
import type { SilenceTails } from '../whisper/silence-tail.ts';

export interface Example {
  readonly clip: ReadyClip | Lazy<ReadyClip>;
  /** Tokens of prompt, text, end of text. */
  readonly tokens: readonly number[];
  /** Their number, where the text is tokenised whenever it is needed. Default: that of `tokens`. */
  readonly length?: number;
  /** Upper bound of their number that needs no tokenising. Default: their number. */
  readonly maxLength?: number;
  /** With timestamps: the tokens with the times of what is heard at a visit, as many as `tokens`. */
  readonly timedTokens?: (visit: number) => Promise<readonly number[]>;
  /** Number of prompt tokens: the first prediction in the loss is at the last of them. */
  readonly promptLength: number;
  /** Clip of the example, for reports of batches whose loss is not finite. */
  readonly source?: Clip;
  /** Language of the text. */
  readonly target?: string;
  /** Index of its corpus in a mixture. Default 0. */
  readonly corpus?: number;
}

export type ReadyExample = Example & { readonly clip: ReadyClip };

export async function readyExample(example: Example, visit: number): Promise<ReadyExample> {
  const { clip } = example;
  const ready = withClip(example, isLazy<ReadyClip>(clip) ? await clip.read(visit) : clip);
  return example.timedTokens ? { ...ready, tokens: await example.timedTokens(visit) } : ready;
}

/** The example with its tokens, and with another clip. */
export function withClip<E extends Example, C extends Example['clip']>(
  example: E,
  clip: C,
): Omit<E, 'clip'> & { readonly clip: C } {
  const { tokens, promptLength } = example;
  return { ...example, tokens, promptLength, clip };
}

export const tokenCount = (example: Example): number => example.length ?? example.tokens.length;

export interface TrainingBatch {
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Tokens in the loss. */
  readonly tokens: number;
  readonly size: BatchSize;
}

/** Size of a step: all its clips and texts are padded to the longest. */
export interface BatchSize {
  readonly clips: number;
  /** Encoder frames of the windows with padding, without the silence after them. */
  readonly frames: number;
  readonly paddedFrames: number;
  /** Input tokens of the decoder with padding. */
  readonly positions: number;
  readonly paddedPositions: number;
}

/**
 * @param padding id that pads shorter texts (never in the loss)
 * @param outputIds with a target vocabulary: its tokens, in rising order
 */
export function trainingBatch(
  examples: readonly ReadyExample[],
  tails: SilenceTails | undefined,
  padding: number,
  outputIds?: Int32Array,
): TrainingBatch {
  const batch = examples.length;
  const length = largest(examples, ({ tokens }) => tokens.length) - 1;
  const tokens: number[] = [];
  const positions: number[] = [];
  const rows: number[] = [];
  const labels: number[] = [];
  for (const { tokens: text, promptLength } of examples) {
    for (let i = 0; i < length; i++) {
      // Prompt and padding are not in the loss. Padding is recognised by position, not by id: it shares its id with
      // the end of text, which is in the loss.
      if (i >= promptLength - 1 && i + 1 < text.length) {
        rows.push(tokens.length);
        labels.push(outputIds ? placeOf(text[i + 1]!, outputIds) : text[i + 1]!);
      }
      tokens.push(text[i] ?? padding);
      positions.push(i);
    }
  }
  const clips = examples.map(({ clip }) => clip);
  return {
    feeds: {
      ...(clips.every(isMelClip) ? melBatch(clips, tails) : audioBatch(clips as EncodedClip[], tails)),
      tokens: int64(tokens, [batch, length]),
      positions: int64(positions, [batch, length]),
      textBias: causalBias(length),
      rows: int64(rows),
      labels: int64(labels),
      weights: float32(new Float32Array(rows.length).fill(1 / rows.length), [rows.length]),
      ...(outputIds && { outputIds: int64([...outputIds]) }),
    },
    tokens: rows.length,
    size: batchSize(examples),
  };
}

/** Size of a batch; lazy clips count with their longest window. */
export function batchSize(examples: readonly Example[]): BatchSize {
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  const windows = examples.map(({ clip }) => clip.window);
  const lengths = examples.map((example) => tokenCount(example) - 1);
  const frames = windows.length * largest(windows, Number);
  const positions = lengths.length * largest(lengths, Number);
  return {
    clips: windows.length,
    frames,
    paddedFrames: frames - sum(windows),
    positions,
    paddedPositions: positions - sum(lengths),
  };
}

/** Size of several batches together. */
export function sizeOfAll(sizes: readonly BatchSize[]): BatchSize {
  const sum = (key: keyof BatchSize): number => sizes.reduce((total, size) => total + size[key], 0);
  return {
    clips: sum('clips'),
    frames: sum('frames'),
    paddedFrames: sum('paddedFrames'),
    positions: sum('positions'),
    paddedPositions: sum('paddedPositions'),
  };
}

/** Shares of padding among the frames, and among the tokens, of batches. */
export function paddingShares(sizes: readonly BatchSize[]): { frames: number; tokens: number } {
  const sum = (count: (size: BatchSize) => number): number =>
    sizes.reduce((total, size) => total + count(size), 0);
  return {
    frames: sum((size) => size.paddedFrames) / sum((size) => size.frames),
    tokens: sum((size) => size.paddedPositions) / sum((size) => size.positions),
  };
}

/** Index of an id, by binary search. */
function placeOf(id: number, ids: Int32Array): number {
  let [low, high] = [0, ids.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle]! < id) low = middle + 1;
    else high = middle;
  }
  if (ids[low] !== id) throw new UserError(`token ${id} of a training text is not in the target vocabulary`);
  return low;
}
