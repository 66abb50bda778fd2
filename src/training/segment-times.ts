/** When each of several clips that are heard as one is spoken: the timestamps of its segment. */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { speechRuns } from '../audio/voice-activity.ts';
import { TIMESTAMPS } from '../checkpoint/tokenizer-files.ts';
import type { Clip } from '../data/clip.ts';
import { GAP_SECONDS, type Recording, readRecording } from '../data/recording.ts';
import { spokenTimes } from '../decoding/spoken-times.ts';
import { TIMESTAMP_STEP } from '../decoding/timestamp-rules.ts';
import type { Tokens } from '../whisper/tokens.ts';

/** Seconds from the window's beginning. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** From the first to the last sample of each clip, with the silence that joins them. */
export function borders(parts: readonly Pick<Clip, 'duration'>[]): Span[] {
  let at = 0;
  return parts.map(({ duration }) => {
    const start = at;
    at += duration + GAP_SECONDS;
    return { start, end: start + duration };
  });
}

/**
 * From the first to the last speech in each clip, by voice activity in what is heard; one without speech is as long as its
 * recording. A version of another speed has other times. Each version is looked at once.
 */
export function spokenAt(
  parts: readonly Pick<Clip, 'duration'>[],
  recordingAt: (visit: number) => Recording,
): (visit: number) => Promise<readonly Span[]> {
  const own = borders(parts);
  const known = new Map<number | undefined, readonly Span[]>();
  return async (visit) => {
    const recording = recordingAt(visit);
    const version = recording.version?.number;
    const found = known.get(version);
    if (found) return found;
    const sound = await readRecording(recording);
    const scale = sound.length / SAMPLE_RATE / own.at(-1)!.end;
    const runs = await speechRuns(sound);
    const times = own.map(({ start, end }) => spokenTimes({ start: scale * start, end: scale * end }, runs));
    known.set(version, times);
    return times;
  };
}

/** The tokens of a segment's beginning and end, which are a step apart at least. */
export function timestampsOf({ start, end }: Span, { firstTimestamp }: Tokens): [number, number] {
  const step = (seconds: number): number => Math.round(seconds / TIMESTAMP_STEP);
  const begin = Math.min(step(start), TIMESTAMPS - 2);
  return [firstTimestamp + begin, firstTimestamp + Math.min(Math.max(step(end), begin + 1), TIMESTAMPS - 1)];
}
