/** Where somebody speaks: regions of a recording, parted by long silences, and the rule for text where nobody speaks. */

import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { PADDING, type SpeechStretch } from '../audio/voice-activity.ts';
import { MAX_COMPRESSION_RATIO } from '../files/deflate.ts';
import type { DecodedWithFallback } from './fallback.ts';
import type { Samples, ScannedTrack } from './recording.ts';
import { quietestCut, WINDOW_SAMPLES } from './split-long-audio.ts';

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

/**
 * The whole recording in regions, in order: those with speech, and the long silences before, between and after them.
 * Digital silence beside a long silence belongs to it: speech is decoded as if it stood in a file of its own.
 */
export function speechRegions({
  length,
  stretches,
  audible,
}: Pick<ScannedTrack, 'length' | 'stretches' | 'audible'>): Region[] {
  if (stretches.length === 0) return [{ start: 0, end: length, speech: false }];
  const spoken: { start: number; end: number }[] = [];
  for (const { start, end } of stretches) {
    const last = spoken.at(-1);
    if (last && start - last.end < LONG_SILENCE) last.end = end;
    else spoken.push({ start, end });
  }
  const [first, last] = [spoken[0]!, spoken.at(-1)!];
  for (const region of spoken) {
    region.start = audible.firstFrom(region.start, region.end);
    region.end = audible.lastBefore(region.end, Math.min(region.end, region.start + 1));
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

/** At most a window of a recording; more where nobody pauses (speech-pieces.ts). */
export interface Piece {
  readonly samples: Float32Array;
  /** Its first sample in the recording. */
  readonly begin: number;
  /** Whether its region has speech, and the seconds of speech in it. */
  readonly spoken: boolean;
  readonly speech: number;
}

/** Regions in pieces, cut where it is quietest. @param longest samples of a piece, at most a window */
export async function* piecesOf(
  samples: Samples,
  regions: readonly Region[],
  stretches: readonly SpeechStretch[],
  longest = WINDOW_SAMPLES,
): AsyncGenerator<Piece, void, undefined> {
  for (const { start, end, speech: spoken } of regions) {
    let begin = start;
    const piece = (samples: Float32Array): Piece => {
      const speech = spoken ? speechSeconds(stretches, begin, begin + samples.length) : 0;
      return { samples, begin, spoken, speech };
    };
    while (end - begin > longest) {
      const window = await samples.read(begin, begin + longest);
      const own = window.subarray(0, quietestCut(window));
      yield piece(own);
      begin += own.length;
    }
    yield piece(await samples.read(begin, end));
  }
}

/** The language is asked of the first pieces with speech: at most of this many. Without speech: of the first piece. */
const LANGUAGE_WINDOWS = 5;

/** @param open gives samples of their own, which are closed again */
export async function windowsToAsk(
  open: () => Samples,
  piecesIn: (samples: Samples) => AsyncIterable<Piece>,
): Promise<readonly Piece[]> {
  const speaking: Piece[] = [];
  let first: Piece | undefined;
  const samples = open();
  try {
    for await (const whole of piecesIn(samples)) {
      const piece = { ...whole, samples: whole.samples.subarray(0, WINDOW_SAMPLES) };
      first ??= piece;
      if (piece.speech > 0) speaking.push(piece);
      if (speaking.length === LANGUAGE_WINDOWS) break;
    }
  } finally {
    await samples.close();
  }
  return speaking.length > 0 ? speaking : first ? [first] : [];
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
