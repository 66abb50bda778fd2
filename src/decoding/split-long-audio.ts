/**
 * Splits audio longer than Whisper's window of 30 s where it is quietest, so that parts can be decoded in parallel. A part
 * whose text is incomplete at its end continues in a window of its own.
 */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';

/** Length of Whisper's window. */
export const WINDOW_SAMPLES = 30 * SAMPLE_RATE;
/** The cut is searched in the last seconds of a piece. */
const SEARCHED = 8 * SAMPLE_RATE;
/** Loudness is measured over stretches of this length. */
const STRETCH = 0.2 * SAMPLE_RATE;

/** @param longest samples of a piece, at most a window */
export function splitLongAudio(samples: Float32Array, longest = WINDOW_SAMPLES): Float32Array[] {
  const pieces: Float32Array[] = [];
  let start = 0;
  while (samples.length - start > longest) {
    let cut = start + longest;
    let quietest = Number.POSITIVE_INFINITY;
    for (let at = start + longest - SEARCHED; at + STRETCH <= start + longest; at += STRETCH / 4) {
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
