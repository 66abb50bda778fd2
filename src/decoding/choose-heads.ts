/**
 * Chooses the alignment heads of a decoder anew: tuning changes what its heads attend to, and a translation is not aligned by
 * the heads that align a transcript.
 *
 * Two recordings are joined with a pause, and their known texts with them: then it is known for each token in which of the
 * two it was said, whatever the language of the text. A head is as good as the share of a token's attention that lies in
 * its own recording, near the path that goes only forward and gathers most of it: heads that attend to the whole, to the
 * beginning or to the end gather little.
 */
import { joinSamples } from '../audio/join-samples.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { UserError } from '../errors.ts';
import { SAMPLES_PER_FRAME } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type AttentionScores, attentionScores, dynamicTimeWarp, softmax } from './alignment.ts';

export type Head = readonly [layer: number, head: number];

export interface HeadScore {
  readonly head: Head;
  /** Share of the attention in the right recording and near the path, 0 to 1. */
  readonly score: number;
}

export interface SpokenText {
  readonly samples: Float32Array;
  /** As the model writes it: with the space before it, where its language has spaces. */
  readonly text: string;
  /** The language spoken. */
  readonly language: string;
}

const PAUSE = 0.5 * SAMPLE_RATE;
/** Frames on either side of the path that count: 0.2 s. */
const NEAR = 10;
/** Longer pairs are left out: they do not fit a window. */
const LONGEST_PAIR = 28 * SAMPLE_RATE;

/** Whether two recordings can be measured together. */
export const fitsPair = (a: number, b: number): boolean => a + PAUSE + b <= LONGEST_PAIR;

/**
 * The heads of all layers, best first.
 * @param pairs recordings that are joined two by two
 * @param promptOf the prompt for a language spoken
 * @throws UserError where there are no pairs
 */
export async function rankHeads(
  model: WhisperModel,
  pairs: AsyncIterable<readonly [SpokenText, SpokenText]> | Iterable<readonly [SpokenText, SpokenText]>,
  promptOf: (language: string) => readonly number[],
  { onProgress, signal }: { onProgress?: ((done: number) => void) | undefined; signal?: AbortSignal } = {},
): Promise<HeadScore[]> {
  const { decoderLayers, decoderHeads } = model.dimensions;
  const heads = Array.from({ length: decoderLayers * decoderHeads }, (_, i): Head => {
    return [Math.floor(i / decoderHeads), i % decoderHeads];
  });
  const sums = new Float64Array(heads.length);
  let tokens = 0;
  let done = 0;
  for await (const [first, second] of pairs) {
    signal?.throwIfAborted();
    const [clip] = await model.encode(
      [joinSamples([first.samples, new Float32Array(PAUSE), second.samples])],
      'fit',
      { languages: [first.language] },
    );
    const texts = [first, second].map(({ text }) => model.tokens.encode(text));
    const prompt = promptOf(first.language);
    const attention = await attentionScores(model, clip!, texts.flat(), { prompt }, heads);
    const border = (first.samples.length + PAUSE / 2) / SAMPLES_PER_FRAME;
    for (let head = 0; head < heads.length; head++) {
      sums[head]! += attentionNearPath(attention, head, texts, { border, frames: clip!.length });
    }
    tokens += texts.flat().length;
    onProgress?.(++done);
  }
  if (tokens === 0)
    throw new UserError('alignment heads: found no two recordings that fit a window together');
  return heads
    .map((head, i) => ({ head, score: sums[i]! / tokens }))
    .sort((a, b) => b.score - a.score || a.head[0] - b.head[0] || a.head[1] - b.head[1]);
}

/** Sum over the tokens of their attention in the recording that says them, near the best path that goes only forward. */
function attentionNearPath(
  { scores, count, width, begin }: AttentionScores,
  head: number,
  [first, second]: readonly (readonly number[])[],
  { border, frames }: { readonly border: number; readonly frames: number },
): number {
  const length = first!.length + second!.length;
  const rows = Array.from({ length }, (_, token) => {
    const at = (head * count + begin + token) * width;
    // Over the frames of the recordings, as word times and AlignAtt look at it.
    const row = Float32Array.from(softmax(scores.subarray(at, at + frames)));
    if (token < first!.length) row.fill(0, Math.ceil(border));
    else row.fill(0, 0, Math.floor(border));
    return row;
  });
  // Of the frames that the path passes in a row, the one that is attended to most.
  const centre = new Array<number>(length).fill(-1);
  for (const { row, frame } of dynamicTimeWarp(rows)) {
    if (centre[row]! < 0 || rows[row]![frame]! > rows[row]![centre[row]!]!) centre[row] = frame;
  }
  return rows.reduce((sum, row, token) => {
    const frame = centre[token]!;
    return sum + row.subarray(Math.max(0, frame - NEAR), frame + NEAR + 1).reduce((a, b) => a + b, 0);
  }, 0);
}
