/**
 * SpecAugment (Park et al. 2019, 1904.08779) without time warping: stretches of time and bands of frequency are put to
 * 0 on the normalised log-mel, as transformers' `WhisperModel._mask_input_features` does.
 */
import { below } from '../../random.ts';

export interface SpecAugmentOptions {
  readonly timeMasks: number;
  /** Widest time mask, in log-mel frames of 10 ms. */
  readonly timeWidth: number;
  readonly frequencyMasks: number;
  /** Widest frequency mask, in mel bins. */
  readonly frequencyWidth: number;
}

/** A time mask is at most this share of the clip (p of the paper's policies for short recordings). */
const MAX_TIME = 0.2;

/**
 * In place. A mask's width is uniform from 0 to the widest, its start uniform where it fits.
 * @param mel [melBins, frames]
 * @param sounding frames that come from the clip: time masks fall there
 */
export function specAugment(
  mel: Float32Array,
  melBins: number,
  sounding: number,
  { timeMasks, timeWidth, frequencyMasks, frequencyWidth }: SpecAugmentOptions,
  random: () => number,
): void {
  const frames = mel.length / melBins;
  for (let mask = 0; mask < frequencyMasks; mask++) {
    const [start, end] = maskIn(melBins, Math.min(frequencyWidth, melBins), random);
    mel.fill(0, start * frames, end * frames);
  }
  const widest = Math.min(timeWidth, Math.floor(MAX_TIME * sounding));
  for (let mask = 0; mask < timeMasks; mask++) {
    const [start, end] = maskIn(sounding, widest, random);
    for (let bin = 0; bin < melBins; bin++) mel.fill(0, bin * frames + start, bin * frames + end);
  }
}

function maskIn(size: number, widest: number, random: () => number): [start: number, end: number] {
  const width = below(widest + 1, random);
  const start = below(size - width + 1, random);
  return [start, start + width];
}
