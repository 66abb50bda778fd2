import { describe, expect, test } from 'vitest';
import { Resampler } from './resample.ts';

function resample(samples: Float32Array, from: number, blocks: number[] = [samples.length]): Float32Array {
  const resampler = new Resampler(from, 16_000);
  const out: number[] = [];
  let at = 0;
  for (const length of blocks) {
    for (const part of resampler.push(samples.subarray(at, at + length))) out.push(...part);
    at += length;
  }
  out.push(...resampler.finish());
  return Float32Array.from(out);
}

const sine = (hertz: number, rate: number, length: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate));

// 44,056 and 191,999 Hz share no factor with 16 kHz: their filters are interpolated.
describe.each([
  8000, 11_025, 22_050, 24_000, 44_056, 44_100, 48_000, 96_000, 191_999,
])('%i Hz to 16 kHz', (rate) => {
  const seconds = 0.25;
  const length = Math.round(rate * seconds);
  const error = (hertz: number) => {
    const out = resample(sine(hertz, rate, length), rate);
    expect(out.length).toBe(Math.round((length * 16_000) / rate));
    const exact = sine(hertz, 16_000, out.length);
    // The edges, where the sound begins and ends at full strength, are the reach of the filter.
    return Math.max(...out.subarray(200, -200).map((sample, i) => Math.abs(sample - exact[i + 200]!)));
  };

  test('a sine below the cutoff stays as it was', () => {
    expect(error(1000)).toBeLessThan(1e-4);
    expect(error(rate === 8000 ? 3600 : rate === 11_025 ? 5000 : 7200)).toBeLessThan(1e-3);
  });

  test('what 16 kHz cannot hold is removed, not folded back', () => {
    if (rate < 18_000) return;
    const out = resample(sine(8500, rate, length), rate);
    expect(Math.max(...out.subarray(200, -200).map(Math.abs))).toBeLessThan(1e-4);
  });
});

test('the cut into blocks does not show', () => {
  const noise = Float32Array.from({ length: 20_000 }, (_, i) => Math.sin(i * i));
  for (const rate of [8000, 44_100, 48_000, 44_056]) {
    const whole = resample(noise, rate);
    expect(resample(noise, rate, [1, 0, 2, 997, 9000, 10_000])).toEqual(whole);
  }
});

test('a constant stays that constant, and a single sample becomes one sample or more', () => {
  expect(Array.from(resample(new Float32Array(4410).fill(0.5), 44_100).subarray(200, -200))).toEqual(
    expect.arrayContaining([expect.closeTo(0.5, 5)]),
  );
  expect(resample(Float32Array.of(1), 8000).length).toBe(2);
});
