/**
 * Whisper hears at most 30 s at once: longer audio is cut where it is quietest, so that the parts can be read side by
 * side. A part whose text is not complete at its end goes on in a window of its own.
 */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';

/** What Whisper hears at once. */
export const WINDOW_SAMPLES = 30 * SAMPLE_RATE;
/** The cut is looked for in the last seconds of a piece. */
const SEARCHED = 8 * SAMPLE_RATE;
/** Loudness is measured over stretches of this length. */
const STRETCH = 0.2 * SAMPLE_RATE;

export function splitLongAudio(samples: Float32Array): Float32Array[] {
  const pieces: Float32Array[] = [];
  let start = 0;
  while (samples.length - start > WINDOW_SAMPLES) {
    let cut = start + WINDOW_SAMPLES;
    let quietest = Number.POSITIVE_INFINITY;
    for (
      let at = start + WINDOW_SAMPLES - SEARCHED;
      at + STRETCH <= start + WINDOW_SAMPLES;
      at += STRETCH / 4
    ) {
      let energy = 0;
      for (let i = at; i < at + STRETCH; i++) energy += samples[i]! ** 2;
      if (energy < quietest) {
        quietest = energy;
        cut = at + STRETCH / 2;
      }
    }
    pieces.push(samples.subarray(start, cut));
    start = cut;
  }
  pieces.push(samples.subarray(start));
  return pieces;
}
