/** Additive noise at a given ratio of powers. */

/**
 * samples + g · noise, with g such that 10·log₁₀ of the ratio of both mean powers is `snr`. Silence stays silence, and
 * with silent noise the samples are unchanged.
 * @param noise repeated from its start where it ends
 * @param offset sample of the noise that falls on the first one of the speech
 * @param snr signal-to-noise ratio, dB
 */
export function addNoise(
  samples: Float32Array,
  noise: Float32Array,
  snr: number,
  offset: number,
): Float32Array {
  const stretch = Float32Array.from(samples, (_, i) => noise[(offset + i) % noise.length]!);
  const noisePower = power(stretch);
  if (noisePower === 0) return samples;
  const gain = Math.sqrt(power(samples) / noisePower / 10 ** (snr / 10));
  return samples.map((sample, i) => sample + gain * stretch[i]!);
}

/** Mean of squares. */
export function power(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return samples.length > 0 ? sum / samples.length : 0;
}
