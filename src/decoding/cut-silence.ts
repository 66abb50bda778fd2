/** Removes stretches without speech, and maps times back to the whole recording. */

import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { SpeechStretch } from '../audio/voice-activity.ts';

export interface Cut {
  readonly samples: Float32Array;
  /** Maps seconds in the shortened audio to seconds in the whole. */
  readonly originalTime: (seconds: number) => number;
}

export function cutSilence(samples: Float32Array, stretches: readonly SpeechStretch[]): Cut {
  const length = stretches.reduce((sum, { start, end }) => sum + end - start, 0);
  const left = new Float32Array(length);
  const begins: number[] = [];
  let at = 0;
  for (const { start, end } of stretches) {
    begins.push(at);
    left.set(samples.subarray(start, end), at);
    at += end - start;
  }
  return {
    samples: left,
    originalTime: (seconds) => {
      const sample = seconds * SAMPLE_RATE;
      // At the seam of two stretches it is the end of the first.
      const place = begins.findLastIndex((begin, i) => i === 0 || begin < sample);
      if (place < 0) return seconds;
      return (stretches[place]!.start + sample - begins[place]!) / SAMPLE_RATE;
    },
  };
}
