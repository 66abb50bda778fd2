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

/** Where to cut, in samples. @param samples of the longest piece: at most a window */
export function quietestCut(samples: Float32Array): number {
  let cut = samples.length;
  let quietest = Number.POSITIVE_INFINITY;
  for (let at = samples.length - SEARCHED; at + STRETCH <= samples.length; at += STRETCH / 4) {
    let energy = 0;
    for (let i = at; i < at + STRETCH; i++) energy += samples[i]! ** 2;
    if (energy < quietest) {
      quietest = energy;
      cut = at + STRETCH / 2;
    }
  }
  return cut;
}
