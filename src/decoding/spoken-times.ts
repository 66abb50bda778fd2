/**
 * Times of segments by voice activity. Whisper lets the first segment of a window begin at its beginning, and the last one
 * end late: of the channels of a conversation that would mix up who spoke first.
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
