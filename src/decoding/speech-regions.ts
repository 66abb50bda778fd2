/** Where somebody speaks: regions of a recording, parted by long silences, and the rule for text where nobody speaks. */

import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { PADDING, type SpeechStretch } from '../audio/voice-activity.ts';
import { MAX_COMPRESSION_RATIO } from '../files/deflate.ts';
import type { DecodedWithFallback } from './fallback.ts';
import { splitLongAudio, WINDOW_SAMPLES } from './split-long-audio.ts';

/**
 * A silence of this length parts two regions, which share no window: Whisper writes text for the silence, has to begin
 * its text within the first second of a window, and is less certain of the language.
 */
const LONG_SILENCE = 5 * SAMPLE_RATE;

/** A range of samples, `end` not included. */
export interface Region {
  readonly start: number;
  readonly end: number;
  /** Whether it has speech; where not, it is a long silence, noise or music. */
  readonly speech: boolean;
}

/** Softer samples, −80 dBFS, are digital silence. */
const INAUDIBLE = 1e-4;

/**
 * The whole recording in regions, in order: those with speech, and the long silences before, between and after them.
 * Digital silence beside a long silence belongs to it: speech is decoded as if it stood in a file of its own.
 * @param stretches with speech, in order (voice-activity.ts)
 */
export function speechRegions(samples: Float32Array, stretches: readonly SpeechStretch[]): Region[] {
  const { length } = samples;
  if (stretches.length === 0) return [{ start: 0, end: length, speech: false }];
  const spoken: { start: number; end: number }[] = [];
  for (const { start, end } of stretches) {
    const last = spoken.at(-1);
    if (last && start - last.end < LONG_SILENCE) last.end = end;
    else spoken.push({ start, end });
  }
  const [first, last] = [spoken[0]!, spoken.at(-1)!];
  const inaudible = (at: number): boolean => Math.abs(samples[at]!) < INAUDIBLE;
  for (const region of spoken) {
    while (region.start < region.end && inaudible(region.start)) region.start++;
    while (region.end > region.start + 1 && inaudible(region.end - 1)) region.end--;
  }
  if (first.start < LONG_SILENCE) first.start = 0;
  if (length - last.end < LONG_SILENCE) last.end = length;
  const regions: Region[] = [];
  let at = 0;
  for (const { start, end } of spoken) {
    if (start > at) regions.push({ start: at, end: start, speech: false });
    regions.push({ start, end, speech: true });
    at = end;
  }
  if (at < length) regions.push({ start: at, end: length, speech: false });
  return regions;
}

/** Whether more is spoken than a window holds; where nobody speaks, whether the recording is longer than one. */
export function isLong(regions: readonly Region[]): boolean {
  const spoken = regions.filter(({ speech }) => speech);
  const counted = spoken.length > 0 ? spoken : regions;
  return counted.reduce((sum, { start, end }) => sum + end - start, 0) > WINDOW_SAMPLES;
}

/** At most a window of a recording. */
export interface Piece {
  readonly samples: Float32Array;
  /** Its first sample in the recording. */
  readonly begin: number;
  /** Whether its region has speech, and the seconds of speech in it. */
  readonly spoken: boolean;
  readonly speech: number;
}

/** A region in pieces, cut where it is quietest. */
export function piecesOf(
  samples: Float32Array,
  { start, end, speech: spoken }: Region,
  stretches: readonly SpeechStretch[],
  longest?: number,
): Piece[] {
  let at = start;
  return splitLongAudio(samples.subarray(start, end), longest).map((piece) => {
    const begin = at;
    at += piece.length;
    return { samples: piece, begin, spoken, speech: spoken ? speechSeconds(stretches, begin, at) : 0 };
  });
}

/** The language is asked of the first pieces with speech: at most of this many. Without speech: of the first piece. */
const LANGUAGE_WINDOWS = 5;

export function windowsToAsk(pieces: readonly Piece[]): readonly Piece[] {
  const speaking = pieces.filter(({ speech }) => speech > 0);
  return speaking.length > 0 ? speaking.slice(0, LANGUAGE_WINDOWS) : pieces.slice(0, 1);
}

/** Seconds of speech between two samples. */
export function speechSeconds(stretches: readonly SpeechStretch[], from: number, to: number): number {
  let samples = 0;
  for (const { start, end } of stretches) {
    samples += Math.max(0, Math.min(to, end - PADDING) - Math.max(from, start + PADDING));
  }
  return samples / SAMPLE_RATE;
}

/**
 * Thresholds for a text of a window in which voice activity detection finds no speech. They are stricter than those of the
 * fallback: one is enough, since two models have to be wrong for a loss. Texts of noise, tones and music that pass Whisper's own thresholds
 * have average log probabilities of −1 to −0.52, or repeat themselves.
 */
const NO_SPEECH = 0.6;
const LOG_PROBABILITY = -0.5;

/** Whether Whisper itself doubts a text: for one of a window in which nobody speaks. */
export function isDoubtful({
  noSpeechProbability,
  averageLogProbability,
  compressionRatio,
}: DecodedWithFallback): boolean {
  return (
    noSpeechProbability > NO_SPEECH ||
    averageLogProbability < LOG_PROBABILITY ||
    compressionRatio > MAX_COMPRESSION_RATIO
  );
}
