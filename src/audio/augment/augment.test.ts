/** Each augmentation against its own definition: exact sines, exact ratios, direct convolution, closed-form shares. */
import { expect, test } from 'vitest';
import { sfc32, uniform } from '../../random.ts';
import { addNoise, power } from './noise.ts';
import { convolve, reverberate } from './reverberation.ts';
import { specAugment } from './spec-augment.ts';
import { changeSpeed } from './speed.ts';

const white = (length: number, seed: number): Float32Array => {
  const random = sfc32(seed);
  return Float32Array.from({ length }, () => uniform(random) - 0.5);
};

test.each([
  0.9, 1.1, 0.93,
])('speed %d: a sine comes out at that many times its pitch, and as much shorter', (factor) => {
  const hertz = 440;
  const sine = (f: number, length: number) =>
    Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * f * i) / 16_000));
  const changed = changeSpeed(sine(hertz, 16_000), factor);
  expect(changed.length).toBe(Math.round(16_000 / factor));
  const expected = sine(hertz * factor, changed.length);
  // The filter does not see what is beyond the ends.
  for (let i = 200; i < changed.length - 200; i++)
    expect(Math.abs(changed[i]! - expected[i]!)).toBeLessThan(1e-4);
});

test('speed 1 is the recording itself', () => {
  const sound = white(100, 1);
  expect(changeSpeed(sound, 1)).toBe(sound);
});

test.each([-5, 0, 12.5])('noise at %d dB, from any offset, looped: the ratio of powers is that', (snr) => {
  const speech = white(5000, 1);
  const noise = white(1700, 2);
  const noisy = addNoise(speech, noise, snr, 1600);
  const added = noisy.map((value, i) => value - speech[i]!);
  expect(10 * Math.log10(power(speech) / power(added))).toBeCloseTo(snr, 3);
  // It begins at the offset and goes round.
  const gain = added[0]! / noise[1600]!;
  expect(added[99]! / noise[1699]!).toBeCloseTo(gain, 3);
  expect(added[100]! / noise[0]!).toBeCloseTo(gain, 3);
});

test('silent noise, and noise on silence, change nothing', () => {
  const speech = white(100, 1);
  expect(addNoise(speech, new Float32Array(10), 5, 3)).toEqual(speech);
  expect(addNoise(new Float32Array(100), speech, 5, 3)).toEqual(new Float32Array(100));
});

test('convolution equals the sum that defines it', () => {
  const [a, b] = [white(300, 1), white(77, 2)];
  const result = convolve(a, b);
  expect(result.length).toBe(376);
  for (let n = 0; n < result.length; n++) {
    let sum = 0;
    for (let k = Math.max(0, n - 299); k <= Math.min(76, n); k++) sum += a[n - k]! * b[k]!;
    expect(result[n]).toBeCloseTo(sum, 10);
  }
});

test('reverberation keeps length, power and the time of the direct sound', () => {
  const click = new Float32Array(1000);
  click[400] = 1;
  const impulse = new Float32Array(300);
  impulse[50] = -0.8;
  for (let i = 51; i < 300; i++) impulse[i] = 0.3 * Math.exp(-(i - 50) / 60);
  const heard = reverberate(click, impulse);
  expect(heard.length).toBe(1000);
  expect(power(heard)).toBeCloseTo(power(click), 8);
  const loudest = heard.reduce((best, value, i) => (Math.abs(value) > Math.abs(heard[best]!) ? i : best), 0);
  expect(loudest).toBe(400);
  expect(heard.subarray(0, 400).every((value) => Math.abs(value) < 1e-6)).toBe(true);
  expect(Math.abs(heard[450]!)).toBeGreaterThan(0.01);
  // A room without walls.
  heard.set(reverberate(click, Float32Array.of(0, 0, 0.5, 0)));
  click.forEach((value, i) => expect(heard[i]).toBeCloseTo(value, 6));
});

test('masks fall as often on each cell as the definition says, in the clip, and are 0', () => {
  const [melBins, frames, sounding, runs] = [80, 60, 50, 4000];
  const random = sfc32(7);
  const options = { timeMasks: 1, timeWidth: 100, frequencyMasks: 1, frequencyWidth: 20 };
  const bins = new Float64Array(melBins);
  const times = new Float64Array(frames);
  for (let run = 0; run < runs; run++) {
    const mel = new Float32Array(melBins * frames).fill(0.5);
    specAugment(mel, melBins, sounding, options, random);
    for (let bin = 0; bin < melBins; bin++) if (mel[bin * frames + frames - 1] === 0) bins[bin]!++;
    const open = Array.from({ length: melBins }, (_, bin) => bin).find(
      (bin) => mel[bin * frames + frames - 1] !== 0,
    )!;
    for (let t = 0; t < frames; t++) if (mel[open * frames + t] === 0) times[t]!++;
  }
  /** Width uniform in 0 … widest, start uniform where it fits. */
  const masked = (at: number, size: number, widest: number): number => {
    let share = 0;
    for (let width = 0; width <= widest; width++) {
      const starts = Math.min(at, size - width) - Math.max(0, at - width + 1) + 1;
      share += Math.max(0, starts) / (size - width + 1) / (widest + 1);
    }
    return share;
  };
  // Four standard deviations of 4,000 draws. A fifth of 50 frames is the widest time mask.
  bins.forEach((count, bin) => expect(Math.abs(count / runs - masked(bin, 80, 20))).toBeLessThan(0.025));
  times.forEach((count, t) =>
    expect(Math.abs(count / runs - (t < sounding ? masked(t, 50, 10) : 0))).toBeLessThan(0.025),
  );
});
