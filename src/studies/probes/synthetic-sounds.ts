/** Noise and rooms made from a seed, for where there are no recordings of them. */

import { SAMPLE_RATE } from '../../audio/sample-rate.ts';
import { gaussian, sfc32 } from '../../random.ts';

/** Independent standard normal numbers. */
export function whiteNoise(length: number, seed: number): Float32Array {
  const random = sfc32(seed);
  return Float32Array.from({ length }, () => gaussian(random));
}

/**
 * A room's impulse response as noise that decays exponentially, by 60 dB in `seconds` (RT60), after the direct sound
 * (Polack's model). What follows the direct sound has as much energy as it.
 */
export function exponentialImpulse(seconds: number, seed: number): Float32Array {
  const length = Math.max(2, Math.round(seconds * SAMPLE_RATE));
  const impulse = whiteNoise(length, seed).map(
    (value, i) => value * 10 ** ((-3 * i) / (seconds * SAMPLE_RATE)),
  );
  const energy = impulse.subarray(1).reduce((sum, value) => sum + value * value, 0);
  const scale = energy > 0 ? 1 / Math.sqrt(energy) : 0;
  return impulse.map((value, i) => (i === 0 ? 1 : scale * value));
}
