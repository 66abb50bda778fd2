/** Regions of speech, and what follows from them for texts and languages. */
import { expect, test } from 'vitest';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { AudibleSamples } from './audible-samples.ts';
import { certainLanguages, commonLanguage } from './detect-language.ts';
import { isLong, piecesOf, speechRegions, windowsToAsk } from './speech-regions.ts';

const seconds = (start: number, end: number) => ({ start: start * SAMPLE_RATE, end: end * SAMPLE_RATE });
const sound = (length: number) => new Float32Array(length * SAMPLE_RATE).fill(0.1);

function trackOf(samples: Float32Array, ...stretches: { start: number; end: number }[]) {
  const audible = new AudibleSamples();
  // Blocks of any length give the same.
  for (let at = 0; at < samples.length; at += 1000) audible.add(samples.subarray(at, at + 1000));
  return { length: samples.length, stretches, audible };
}

const regionsOf = (samples: Float32Array, ...stretches: { start: number; end: number }[]) =>
  speechRegions(trackOf(samples, ...stretches)).map(({ start, end, speech }) => [
    start / SAMPLE_RATE,
    end / SAMPLE_RATE,
    speech,
  ]);

test('a silence of five seconds parts two regions, a shorter one does not', () => {
  expect(regionsOf(sound(40), seconds(1, 10), seconds(14, 20), seconds(26, 36))).toEqual([
    [0, 20, true],
    [20, 26, false],
    [26, 40, true],
  ]);
  expect(regionsOf(sound(40), seconds(6, 30))).toEqual([
    [0, 6, false],
    [6, 30, true],
    [30, 40, false],
  ]);
});

test('where nobody speaks there is one region without speech', () => {
  expect(regionsOf(sound(31))).toEqual([[0, 31, false]]);
  expect(regionsOf(new Float32Array(0))).toEqual([[0, 0, false]]);
});

test('digital silence beside a long silence belongs to it', () => {
  const samples = sound(20);
  samples.fill(0, 0, 10.25 * SAMPLE_RATE);
  samples.fill(0, 15 * SAMPLE_RATE);
  expect(regionsOf(samples, seconds(9.76, 15.264))).toEqual([
    [0, 10.25, false],
    [10.25, 15, true],
    [15, 20, false],
  ]);
});

test('a region of digital silence is empty, and the end of a recording may lie within a note on it', () => {
  expect(regionsOf(new Float32Array(25_600), { start: 2560, end: 12_800 })).toEqual([[0, 1.6, true]]);
  const samples = sound(20).subarray(0, 20 * SAMPLE_RATE - 77);
  samples.fill(0, 6 * SAMPLE_RATE + 1, 6 * SAMPLE_RATE + 3);
  samples.fill(0, samples.length - 5);
  expect(
    speechRegions(trackOf(samples, { start: 96_000, end: samples.length })).map(({ end }) => end),
  ).toEqual([96_000, samples.length]);
});

test('silence does not make a recording long, and the language is asked of windows with speech', async () => {
  const samples = sound(60);
  const stretches = [seconds(40, 50)];
  const regions = speechRegions(trackOf(samples, ...stretches));
  expect(isLong(regions)).toBe(false);
  const read = async (from: number, to: number) => samples.subarray(from, to);
  let closed = 0;
  const open = () => ({ length: samples.length, read, close: async () => void closed++ });
  const asked = await windowsToAsk(open, (opened) => piecesOf(opened, regions, stretches));
  expect(closed).toBe(1);
  expect(asked.map(({ begin }) => begin / SAMPLE_RATE)).toEqual([40]);
  expect(asked[0]!.speech).toBeCloseTo(9.2);
});

const spoken = (speech: number, probabilities: Record<string, number>) => {
  const entries = Object.entries(probabilities);
  const [language] = entries.reduce((best, each) => (each[1] > best[1] ? each : best));
  return { speech, detected: { language, probabilities: new Map(entries) } };
};

test('a window with little speech does not decide the language', () => {
  const windows = [spoken(1, { en: 0.6, fr: 0.4 }), spoken(20, { en: 0.1, fr: 0.9 })];
  const { language, probabilities } = commonLanguage(windows);
  expect(language).toBe('fr');
  expect(probabilities.get('fr')).toBeCloseTo((0.4 + 20 * 0.9) / 21);
  expect(certainLanguages(windows)).toEqual(['en', 'fr']);
});

test('a single window keeps its probabilities exactly', () => {
  const window = spoken(0.1, { en: 0.1, fr: 0.9 });
  expect(commonLanguage([window])).toBe(window.detected);
});
