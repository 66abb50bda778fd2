/** Reverberation: convolution with the impulse response of a room. */
import { fft } from './fft.ts';
import { power } from './noise.ts';

/**
 * As long as the samples and as strong (their power is kept); the impulse response's highest peak, the direct sound,
 * stays where the sound was, so that times do not move.
 */
export function reverberate(samples: Float32Array, impulse: Float32Array): Float32Array {
  const whole = convolve(samples, impulse);
  let peak = 0;
  for (let i = 1; i < impulse.length; i++) if (Math.abs(impulse[i]!) > Math.abs(impulse[peak]!)) peak = i;
  const wet = Float32Array.from(whole.subarray(peak, peak + samples.length));
  const strength = power(wet);
  if (strength === 0) return samples;
  const gain = Math.sqrt(power(samples) / strength);
  return wet.map((sample) => gain * sample);
}

/** @returns a.length + b.length - 1 numbers */
export function convolve(a: Float32Array, b: Float32Array): Float64Array {
  const length = a.length + b.length - 1;
  const n = 2 ** Math.ceil(Math.log2(length));
  // Both ride in one transform: Z = A + iB, so A·B at k is (Z[k]² − conj(Z[−k])²) / 4i.
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  re.set(a);
  im.set(b);
  fft(re, im);
  const productRe = new Float64Array(n);
  const productIm = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    const mirror = (n - k) % n;
    const squareRe = re[k]! ** 2 - im[k]! ** 2 - (re[mirror]! ** 2 - im[mirror]! ** 2);
    const squareIm = 2 * re[k]! * im[k]! + 2 * re[mirror]! * im[mirror]!;
    productRe[k] = squareIm / 4;
    // Conjugated: the transform of a conjugate is the inverse transform, but for 1 / n.
    productIm[k] = squareRe / 4;
  }
  fft(productRe, productIm);
  return productRe.subarray(0, length).map((value) => value / n);
}
