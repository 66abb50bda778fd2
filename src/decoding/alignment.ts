/**
 * Word timestamps by dynamic time warping over the attention of alignment heads (OpenAI's timing.py), computed in one
 * further pass of the decoder over the finished text.
 */
import { int64 } from '../backend/runtime.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import { causalBias } from '../whisper/causal-bias.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Word } from './transcript.ts';
import { splitIntoWords } from './word-tokens.ts';

/** Encoder frames per second. */
const FRAMES_PER_SECOND = 50;
/** Width of the median filter over attention, frames. */
const MEDIAN_FRAMES = 7;

export interface AlignedWord extends Word {
  readonly tokens: readonly number[];
}

/**
 * Words of a window's text with their times, in seconds from the window's beginning.
 * @param tokens the text's, without timestamps
 * @param prompt of the decoded text
 */
export async function alignWords(
  model: WhisperModel,
  clip: EncodedClip,
  tokens: readonly number[],
  { prompt }: { readonly prompt: readonly number[] },
): Promise<AlignedWord[]> {
  if (tokens.length === 0 || clip.length === 0) return [];
  const { rows, logProbabilities } = await attendedFrames(model, clip, tokens, { prompt });
  const path = dynamicTimeWarp(rows);
  const words = splitIntoWords([...tokens, model.tokens.endOfText], model.tokens);
  // Where the path enters each row: the time at which that token begins.
  const enters: number[] = [];
  for (const { row, frame } of path) if (enters.length === row) enters.push(frame / FRAMES_PER_SECOND);
  let at = 0;
  return words.slice(0, -1).map(({ text, tokens: ids }) => {
    const first = at;
    at += ids.length;
    const probabilities = ids.map((_, i) => Math.exp(logProbabilities[first + i]!));
    return {
      text,
      tokens: ids,
      start: enters[first] ?? enters.at(-1)!,
      end: enters[at] ?? enters.at(-1)!,
      probability: probabilities.reduce((sum, p) => sum + p, 0) / ids.length,
    };
  });
}

/**
 * Attention of a text's tokens to the clip's frames, by the alignment heads.
 * @param given tokens between the prompt and the text
 * @returns for each token, and where there is room for the end of text after it, a value for each frame of the clip, and
 * its log probability
 */
export async function attendedFrames(
  model: WhisperModel,
  clip: EncodedClip,
  tokens: readonly number[],
  { prompt, given = [] }: { readonly prompt: readonly number[]; readonly given?: readonly number[] },
): Promise<{ rows: Float32Array[]; logProbabilities: Float32Array }> {
  const { heads, count, begin, width, scores, logProbabilities } = await attentionScores(
    model,
    clip,
    tokens,
    {
      prompt,
      given,
    },
  );
  const fit = attentionOfTokens(scores, heads, count, width, clip.length);
  return { rows: fit.slice(begin, -1), logProbabilities: logProbabilities.slice(begin) };
}

/** Cross-attention of heads before the softmax. */
export interface AttentionScores {
  /** [heads, tokens, width], all tokens from the start of the transcript to the end of the text */
  readonly scores: Float32Array;
  readonly heads: number;
  readonly count: number;
  readonly width: number;
  /** Index of the token that predicts the first one of the text: the last before it. */
  readonly begin: number;
  /** Of the token after each. */
  readonly logProbabilities: Float32Array;
}

/** @param heads pairs of layer and head. Default: the alignment heads */
export async function attentionScores(
  model: WhisperModel,
  clip: EncodedClip,
  tokens: readonly number[],
  { prompt, given = [] }: { readonly prompt: readonly number[]; readonly given?: readonly number[] },
  heads?: readonly (readonly [layer: number, head: number])[],
): Promise<AttentionScores> {
  const { endOfText, startOfTranscript } = model.tokens;
  const opening = model.tokens.withoutTimestamps(prompt.slice(prompt.lastIndexOf(startOfTranscript)));
  const before = [...opening, ...given];
  const all = [...before, ...tokens, endOfText].slice(0, model.dimensions.textPositions);
  const count = all.length;
  const program = await model.alignmentProgram(heads);
  const { frames, frameBias } = audioBatch([clip], await model.silenceTailsFor([clip]));
  const { fetched } = await model.runtime.run(
    program,
    {
      frames,
      frameBias,
      tokens: int64(all, [1, count]),
      positions: int64(
        all.map((_, i) => i),
        [1, count],
      ),
      textBias: causalBias(count),
      labels: int64([...all.slice(1), endOfText]),
    },
    { fetch: ['scores', 'logProbability'] },
  );
  const { data, shape } = fetched.scores!;
  return {
    scores: data as Float32Array,
    heads: shape[0]!,
    count,
    width: shape[3]!,
    begin: before.length - 1,
    logProbabilities: fetched.logProbability!.data as Float32Array,
  };
}

/**
 * Attention of tokens to frames: softmax over the clip's frames, standardised per frame over the tokens, median filtered
 * over time, mean of the heads.
 * @param scores [heads, 1, tokens, width]
 * @returns for each token, a value for each of the first `frames` frames
 */
function attentionOfTokens(
  scores: Float32Array,
  heads: number,
  tokens: number,
  width: number,
  frames: number,
): Float32Array[] {
  const mean = Array.from({ length: tokens }, () => new Float32Array(frames));
  for (let head = 0; head < heads; head++) {
    const rows = Array.from({ length: tokens }, (_, token) =>
      softmax(scores.subarray((head * tokens + token) * width).subarray(0, frames)),
    );
    for (let frame = 0; frame < frames; frame++) {
      let [sum, squares] = [0, 0];
      for (const row of rows) {
        sum += row[frame]!;
        squares += row[frame]! ** 2;
      }
      const average = sum / tokens;
      const deviation = Math.sqrt(Math.max(0, squares / tokens - average ** 2)) || 1;
      for (const row of rows) row[frame] = (row[frame]! - average) / deviation;
    }
    rows.forEach((row, token) => {
      const smooth = medianFilter(row);
      for (let frame = 0; frame < frames; frame++) mean[token]![frame]! += smooth[frame]! / heads;
    });
  }
  return mean;
}

export function softmax(scores: Float32Array): Float64Array {
  const top = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = Float64Array.from(scores, (score) => Math.exp(score - top));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

/** Median over MEDIAN_FRAMES values; at the ends the signal is mirrored. */
export function medianFilter(values: Float64Array): Float64Array {
  const half = MEDIAN_FRAMES >> 1;
  const last = values.length - 1;
  if (last < half) return values;
  const mirrored = (i: number): number => (i < 0 ? -i : i > last ? 2 * last - i : i);
  const window = new Float64Array(MEDIAN_FRAMES);
  return values.map((_, i) => {
    for (let k = 0; k < MEDIAN_FRAMES; k++) window[k] = values[mirrored(i + k - half)]!;
    return window.sort()[half]!;
  });
}

/**
 * The path of largest sum from the first row and frame to the last ones, by steps to the next row, the next frame, or
 * both.
 */
export function dynamicTimeWarp(rows: readonly Float32Array[]): { row: number; frame: number }[] {
  const n = rows.length;
  const m = rows[0]!.length;
  const cost = Array.from({ length: n + 1 }, () => new Float64Array(m + 1).fill(Number.POSITIVE_INFINITY));
  const step = Array.from({ length: n + 1 }, () => new Uint8Array(m + 1));
  cost[0]![0] = 0;
  for (let i = 1; i <= n; i++) {
    for (let j = 1; j <= m; j++) {
      const both = cost[i - 1]![j - 1]!;
      const row = cost[i - 1]![j]!;
      const frame = cost[i]![j - 1]!;
      const best = both < row && both < frame ? 0 : row < both && row < frame ? 1 : 2;
      step[i]![j] = best;
      cost[i]![j] = [both, row, frame][best]! - rows[i - 1]![j - 1]!;
    }
  }
  const path: { row: number; frame: number }[] = [];
  for (let i = n, j = m; i > 0 || j > 0; ) {
    path.push({ row: Math.max(0, i - 1), frame: Math.max(0, j - 1) });
    const direction = i === 0 ? 2 : j === 0 ? 1 : step[i]![j]!;
    if (direction !== 2) i--;
    if (direction !== 1) j--;
  }
  return path.reverse();
}
