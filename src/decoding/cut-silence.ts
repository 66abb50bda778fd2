/** Removes stretches without speech, and maps times back to the whole recording. */

import { joinSamples } from '../audio/join-samples.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { SpeechStretch } from '../audio/voice-activity.ts';
import type { Samples } from './recording.ts';

export interface Cut {
  readonly samples: Samples;
  /** Maps seconds in the shortened audio to seconds in the whole. */
  readonly originalTime: (seconds: number) => number;
  /** Maps runs of speech, each in one of the stretches, to the shortened audio. */
  readonly cutRuns: (runs: readonly SpeechStretch[]) => SpeechStretch[];
}

export function cutSilence(samples: Samples, stretches: readonly SpeechStretch[]): Cut {
  const begins: number[] = [];
  let length = 0;
  for (const { start, end } of stretches) {
    begins.push(length);
    length += end - start;
  }
  const read = async (from: number, to: number): Promise<Float32Array> => {
    const parts: Float32Array[] = [];
    for (const [i, { start, end }] of stretches.entries()) {
      const moved = start - begins[i]!;
      const [first, last] = [Math.max(start, from + moved), Math.min(end, to + moved)];
      if (first < last) parts.push(await samples.read(first, last));
    }
    return parts.length === 1 ? parts[0]! : joinSamples(parts);
  };
  return {
    samples: { length, read, close: () => samples.close() },
    cutRuns: (runs) =>
      stretches.flatMap(({ start, end }, i) =>
        runs
          .filter((run) => run.start < end && run.end > start)
          .map((run) => ({ start: run.start - start + begins[i]!, end: run.end - start + begins[i]! })),
      ),
    originalTime: (seconds) => {
      const sample = seconds * SAMPLE_RATE;
      // At the seam of two stretches it is the end of the first.
      const place = begins.findLastIndex((begin, i) => i === 0 || begin < sample);
      if (place < 0) return seconds;
      return (stretches[place]!.start + sample - begins[place]!) / SAMPLE_RATE;
    },
  };
}
