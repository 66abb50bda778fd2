/**
 * Times of segments by voice activity. Whisper lets the first segment of a window begin at its beginning, the others where
 * the one before ended, and the last one end late: cues would stand before anybody speaks, and of the channels of a
 * conversation that would mix up who spoke first.
 */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { SpeechStretch } from '../audio/voice-activity.ts';
import type { Segment } from './transcript.ts';

/** Speech in a segment that is shorter, seconds, is the rest of another one. */
const LEAST_SPEECH = 0.1;
/** Soft first and last sounds, which voice activity detection finds late, seconds. */
const MARGIN = 0.064;

/**
 * The segment from the first speech in it to the last; a segment without any keeps its times. Its first and last words
 * begin and end with it; a boundary beyond them is not moved.
 * @param runs of speech, in order (voice-activity.ts), in the time of the segment
 */
export function spokenTimes<S extends Pick<Segment, 'start' | 'end' | 'words'>>(
  segment: S,
  runs: readonly SpeechStretch[],
): S {
  let { start, end } = segment;
  const spoken = runs.filter((run) => {
    const inside = Math.min(end, run.end / SAMPLE_RATE) - Math.max(start, run.start / SAMPLE_RATE);
    return inside >= LEAST_SPEECH;
  });
  if (spoken.length === 0) return segment;
  start = Math.max(start, spoken[0]!.start / SAMPLE_RATE - MARGIN);
  end = Math.min(end, spoken.at(-1)!.end / SAMPLE_RATE + MARGIN);
  const { words } = segment;
  if (!words || words.length === 0) return { ...segment, start, end };
  if (start >= words[0]!.end) start = segment.start;
  if (end <= words.at(-1)!.start) end = segment.end;
  const tightened = words.map((word, i) => ({
    ...word,
    ...(i === 0 && { start: Math.max(start, word.start) }),
    ...(i === words.length - 1 && { end: Math.min(end, word.end) }),
  }));
  return { ...segment, start, end, words: tightened };
}

/** Shorter silence parts no sentences, seconds. */
const SHORTEST_PAUSE = 0.3;
/** How far from a pause Whisper's timestamps for it may be, seconds. */
const NEAR = 0.75;

/** Silence between two stretches of speech, in seconds; before the first one and after the last it has no end. */
export interface Pause {
  readonly start: number;
  readonly end: number;
}

/** @param runs of speech, in order (voice-activity.ts) */
export function pausesOf(runs: readonly SpeechStretch[]): Pause[] {
  const phrases: { start: number; end: number }[] = [];
  for (const { start, end } of runs) {
    const last = phrases.at(-1);
    if (last && start - last.end < SHORTEST_PAUSE * SAMPLE_RATE) last.end = end;
    else phrases.push({ start, end });
  }
  const pauses: Pause[] = [];
  let silentFrom = Number.NEGATIVE_INFINITY;
  // A click is not speech.
  for (const { start, end } of phrases.filter((one) => one.end - one.start >= LEAST_SPEECH * SAMPLE_RATE)) {
    pauses.push({ start: silentFrom, end: start / SAMPLE_RATE });
    silentFrom = end / SAMPLE_RATE;
  }
  pauses.push({ start: silentFrom, end: Number.POSITIVE_INFINITY });
  return pauses;
}

/**
 * Segments in order, each from the end of the pause that it begins at to the beginning of the one that it ends at. A time that is
 * near no pause stays, as it parts what is said in one breath; so do those of a segment between which nobody would speak.
 * @param duration of the recording, seconds
 */
export function betweenPauses<S extends Pick<Segment, 'start' | 'end'>>(
  segments: readonly S[],
  pauses: readonly Pause[],
  duration = Number.POSITIVE_INFINITY,
): S[] {
  let earliest = 0;
  const moved = segments.map((segment) => {
    const begun = pauseNear(segment.start, pauses)?.end;
    const ended = pauseNear(segment.end, pauses)?.start;
    // Not before the one before.
    const start = Math.max(earliest, begun === undefined ? segment.start : begun - MARGIN);
    const end = ended === undefined ? segment.end : Math.min(duration, ended + MARGIN);
    const isSpoken = Number.isFinite(start) && Number.isFinite(end) && start < end;
    earliest = isSpoken ? start : segment.start;
    return isSpoken ? { ...segment, start, end } : segment;
  });
  // Nor after the next one, where that keeps its times.
  for (let i = moved.length - 2; i >= 0; i--) {
    if (moved[i]!.start > moved[i + 1]!.start) moved[i] = segments[i]!;
  }
  return moved;
}

function pauseNear(time: number, pauses: readonly Pause[]): Pause | undefined {
  let nearest: Pause | undefined;
  let least = NEAR;
  for (const pause of pauses) {
    const distance = Math.max(pause.start - time, time - pause.end, 0);
    if (distance < least) [nearest, least] = [pause, distance];
  }
  return nearest;
}
