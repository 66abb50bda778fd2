/** Whisper hears at most 30 s at once: longer audio is cut where it is quietest. */
import { SAMPLE_RATE } from '../whisper/log-mel.ts';

const LONGEST = 30 * SAMPLE_RATE;
/** The cut is looked for in the last seconds of a piece. */
const SEARCHED = 8 * SAMPLE_RATE;
/** Loudness is measured over stretches of this length. */
const STRETCH = 0.2 * SAMPLE_RATE;

export function splitLongAudio(samples: Float32Array): Float32Array[] {
  const pieces: Float32Array[] = [];
  let start = 0;
  while (samples.length - start > LONGEST) {
    let cut = start + LONGEST;
    let quietest = Number.POSITIVE_INFINITY;
    for (let at = start + LONGEST - SEARCHED; at + STRETCH <= start + LONGEST; at += STRETCH / 4) {
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
