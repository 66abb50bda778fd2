/**
 * Speed perturbation (Ko et al. 2015, "Audio Augmentation for Speech Recognition"): the sound is played faster or
 * slower, and its pitch moves with it, as Kaldi's and torchaudio's `speed` do it.
 */

import { resampled } from '../resample.ts';
import { SAMPLE_RATE } from '../sample-rate.ts';

/** Samples of a recording of so many at another speed. */
export const changedLength = (samples: number, factor: number): number =>
  Math.round((samples * SAMPLE_RATE) / Math.round(factor * SAMPLE_RATE));

/**
 * @param samples 16 kHz mono
 * @param factor above 1: faster and shorter
 * @returns round(n / factor) samples, where factor is rounded to a rate of whole hertz
 */
export function changeSpeed(samples: Float32Array, factor: number): Float32Array {
  return resampled(samples, Math.round(factor * SAMPLE_RATE), SAMPLE_RATE);
}
