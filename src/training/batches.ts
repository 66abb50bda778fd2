/** From examples to the training graph's inputs. */
import { UserError } from '../errors.ts';
import { float32, type HostTensor, int64 } from '../graph/runtime.ts';
import { sfc32, shuffle } from '../random.ts';
import type { Clip } from '../speech/manifest.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import { causalBias } from '../whisper/causal-bias.ts';
import { isMelClip, type MelClip, melBatch } from '../whisper/mel-batch.ts';
import type { EncodedClip } from '../whisper/model.ts';
import type { SilenceTails } from '../whisper/silence-tail.ts';

export interface Example {
  /** As log-mel where the encoder is trained, else as encoder output: one form in all examples. */
  readonly clip: EncodedClip | MelClip;
  /** Prompt, text, end of text. */
  readonly tokens: readonly number[];
  /** Tokens of the prompt: the first prediction that counts is made at the last of them. */
  readonly promptLength: number;
  /** Where it comes from, so that a batch that cannot be learnt from can be named. */
  readonly source?: Clip;
}

/** Batches are cut from a shuffled pool of this many batches, sorted by length: little padding, much chance. */
const POOL_BATCHES = 16;

/**
 * Endless batches of indices, an epoch after the other; each epoch sees every example once (the last batch of an
 * epoch is filled up from the next one's order, so that all batches are of one size).
 * @param mostFrames batches whose clips, padded to the longest, have more frames are made of fewer clips: memory grows
 * with them
 */
export function* sampleBatches(
  examples: readonly Example[],
  batchSize: number,
  seed: number,
  mostFrames = Number.POSITIVE_INFINITY,
): Generator<number[], never> {
  const random = sfc32(seed);
  const size = (i: number): number => examples[i]!.clip.window + 4 * examples[i]!.tokens.length;
  const rest: number[] = [];
  for (;;) {
    while (rest.length < POOL_BATCHES * batchSize) {
      // One by one: a large corpus is more than a call can have arguments.
      for (const i of shuffle([...examples.keys()], random)) rest.push(i);
    }
    const pool = rest.splice(0, POOL_BATCHES * batchSize).sort((a, b) => size(a) - size(b));
    const batches: number[][] = [];
    for (const i of pool) {
      const last = batches.at(-1);
      const frames = ((last?.length ?? 0) + 1) * examples[i]!.clip.window;
      if (last && last.length < batchSize && frames <= mostFrames) last.push(i);
      else batches.push([i]);
    }
    yield* shuffle(batches, random);
  }
}

export interface TrainingBatch {
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Tokens that count in the loss. */
  readonly tokens: number;
}

/**
 * @param padding the id that fills up shorter texts (it never counts)
 * @param outputIds with a target vocabulary: the tokens that the decoder chooses among, in rising order
 */
export function trainingBatch(
  examples: readonly Example[],
  tails: SilenceTails | undefined,
  padding: number,
  outputIds?: Int32Array,
): TrainingBatch {
  const batch = examples.length;
  const length = Math.max(...examples.map(({ tokens }) => tokens.length)) - 1;
  const tokens: number[] = [];
  const positions: number[] = [];
  const rows: number[] = [];
  const labels: number[] = [];
  for (const { tokens: text, promptLength } of examples) {
    for (let i = 0; i < length; i++) {
      // Neither the prompt nor what fills up a shorter text is learnt. Padding is told by position, not by id: it
      // shares its id with the end of text, which must be learnt.
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
  };
}

/** Binary search. */
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
