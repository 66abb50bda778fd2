import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readAudio } from './audio-file.ts';
import { logMel } from './log-mel.ts';
import { energiesOf, HOP, MEL_BLOCK, SPECTRUM_BINS } from './mel-kernel.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

interface Golden {
  madeBy: string;
  cases: {
    signal: 'speech' | 'chirp' | 'noise' | 'silence';
    samples: number;
    melBins: number;
    frames: number;
    sum: number;
    row: number[];
    column: number[];
    value: number[];
  }[];
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const golden: Golden = JSON.parse(readFileSync(path('./golden/log-mel.json'), 'utf8'));

// The signals of scripts/golden/log_mel.py.
const signals = {
  speech: () => readAudio(path('./fixtures/speech.flac')),
  chirp: (samples: number) => {
    const seconds = samples / SAMPLE_RATE;
    return Float32Array.from({ length: samples }, (_, i) => {
      const t = i / SAMPLE_RATE;
      return 0.5 * Math.sin(2 * Math.PI * (50 * t + ((7900 - 50) / (2 * seconds)) * t * t));
    });
  },
  noise: (samples: number) => {
    let state = 1;
    return Float32Array.from({ length: samples }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state / 2 ** 32 - 0.5) * 0.2;
    });
  },
  silence: (samples: number) => new Float32Array(samples),
};

describe(`agrees with ${golden.madeBy}`, () => {
  test.each(golden.cases)('$signal of $samples samples, $melBins bins, $frames frames', async (wanted) => {
    const mel = logMel(await signals[wanted.signal](wanted.samples), wanted.melBins, wanted.frames);
    expect(mel.length).toBe(wanted.melBins * wanted.frames);
    let worst = 0;
    wanted.value.forEach((value, i) => {
      const cell = mel[wanted.row[i]! * wanted.frames + wanted.column[i]!]!;
      worst = Math.max(worst, Math.abs(cell - value));
    });
    expect(worst).toBeLessThan(1e-4);
    // The sum of all cells sees what the sampled cells miss.
    const sum = mel.reduce((total, cell) => total + cell, 0);
    expect(Math.abs(sum - wanted.sum) / mel.length).toBeLessThan(1e-5);
  });
});

test('frames are windowed and transformed as the definition of the Fourier transform says', () => {
  const samples = Float32Array.from({ length: 6 * HOP + 400 }, (_, i) => Math.sin(i * i));
  // Each band one bin: its energy is the power.
  const filters = Array.from({ length: SPECTRUM_BINS }, (_, firstBin) => ({
    firstBin,
    weights: Float64Array.of(1),
  }));
  const energies = energiesOf(filters, 7, (signal) => signal.set(samples));
  for (let frame = 0; frame < 7; frame++) {
    for (const k of [0, 1, 7, 80, 199, 200]) {
      let [re, im] = [0, 0];
      for (let i = 0; i < 400; i++) {
        const x = samples[frame * HOP + i]! * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / 400));
        re += x * Math.cos((2 * Math.PI * i * k) / 400);
        im -= x * Math.sin((2 * Math.PI * i * k) / 400);
      }
      expect(energies[k * MEL_BLOCK + frame]).toBeCloseTo(re * re + im * im, 8);
    }
  }
});

test('samples beyond the window are trimmed and missing ones are silence', () => {
  const noise = signals.noise(40_000);
  expect(logMel(noise, 80, 100)).toEqual(logMel(noise.slice(0, 16_000), 80, 100));
  const padded = new Float32Array(32_000);
  padded.set(noise.subarray(0, 12_345));
  expect(logMel(noise.subarray(0, 12_345), 80, 200)).toEqual(logMel(padded, 80, 200));
});

test('no samples at all is silence', () => {
  expect(logMel(new Float32Array(0), 80, 50)).toEqual(logMel(new Float32Array(8000), 80, 50));
});

test('a window too short to reflect at its ends is refused', () => {
  expect(() => logMel(new Float32Array(160), 80, 1)).toThrow('frames is 1; expected at least 2');
});
