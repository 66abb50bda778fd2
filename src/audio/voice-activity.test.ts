import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readAudio } from './audio-file.ts';
import { speechStretches } from './voice-activity.ts';

const SECOND = 16_000;

function samples(seconds: number, at: (i: number) => number): Float32Array {
  return Float32Array.from({ length: Math.round(seconds * SECOND) }, (_, i) => at(i));
}

/** Uniform in [-1, 1), the same in every run. */
function noise(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  };
}

const white = (loudness: number) => {
  const next = noise();
  return () => loudness * next();
};
const hum = (loudness: number) => (i: number) =>
  loudness * (Math.sin((2 * Math.PI * 50 * i) / SECOND) + Math.sin((2 * Math.PI * 150 * i) / SECOND) / 2);
/** Plucked notes with overtones, four a second. */
const notes = (i: number) => {
  const pitch = 220 * 2 ** ((Math.floor(i / 4000) % 8) / 6);
  const overtones = [1, 2, 3, 4, 5].map((k) => Math.sin((2 * Math.PI * pitch * k * i) / SECOND) / k);
  return 0.2 * overtones.reduce((sum, value) => sum + value) * Math.exp(-(i % 4000) / 3000);
};

describe('where nobody speaks there is no stretch', () => {
  test.each([
    ['no samples', samples(0, () => 0)],
    ['one sample', samples(1 / SECOND, () => 0.5)],
    ['digital silence', samples(40, () => 0)],
    ['a constant', samples(10, () => 0.5)],
    ['faint noise', samples(20, white(0.001))],
    ['noise', samples(20, white(0.05))],
    ['loud noise', samples(20, white(0.5))],
    ['hum', samples(20, hum(0.1))],
    ['loud hum', samples(20, hum(0.6))],
    ['notes', samples(20, notes)],
  ])('%s', async (_, sound) => {
    expect(await speechStretches(sound)).toEqual([]);
  });
});

const folder = fileURLToPath(new URL('../../samples/', import.meta.url));
const recordings = readFileSync(`${folder}manifest.tsv`, 'utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t')[0]!)
  .filter((_, i) => i % 80 === 0);

/** The sentences, with 8 to 15 s of something else before, between and after them. */
async function joined(between: (i: number) => number, loudness = 1) {
  const parts: Float32Array[] = [];
  const sentences: { name: string; start: number; end: number }[] = [];
  let at = 0;
  const add = (part: Float32Array) => {
    parts.push(part);
    at += part.length;
  };
  for (const [i, name] of recordings.entries()) {
    add(samples(8 + (i % 8), between));
    const sentence = (await readAudio(folder + name)).map((sample, k) => sample * loudness + between(k));
    sentences.push({ name, start: at, end: at + sentence.length });
    add(sentence);
  }
  add(samples(12, between));
  const sound = new Float32Array(at);
  let to = 0;
  for (const part of parts) {
    sound.set(part, to);
    to += part.length;
  }
  return { sound, sentences };
}

describe('every sentence is kept, nine tenths of what lies between are skipped', () => {
  test.each([
    ['digital silence', () => 0, 1],
    ['faint noise', white(0.002), 1],
    ['noise', white(0.01), 1],
    ['hum', hum(0.02), 1],
    ['quiet sentences in faint noise', white(0.0005), 0.05],
  ] as const)('%s', async (_, between, loudness) => {
    const { sound, sentences } = await joined(between, loudness);
    const stretches = await speechStretches(sound);
    const sentenceSamples = sentences.reduce((sum, { start, end }) => sum + end - start, 0);
    const kept = (from: number, to: number) =>
      stretches.reduce(
        (sum, { start, end }) => sum + Math.max(0, Math.min(to, end) - Math.max(from, start)),
        0,
      );
    // What a recording has of silence of its own may go; nothing of its words may.
    for (const { name, start, end } of sentences) {
      const alone = await speechStretches(sound.subarray(start, end));
      expect(alone.length, name).toBeGreaterThan(0);
      const spoken = { from: start + alone[0]!.start + 6400, to: start + alone.at(-1)!.end - 6400 };
      expect(kept(spoken.from, spoken.to), name).toBeGreaterThan(0.97 * (spoken.to - spoken.from));
      expect(kept(start, end) / (end - start), name).toBeGreaterThan(0.6);
    }
    const inSentences = sentences.reduce((sum, { start, end }) => sum + kept(start, end), 0);
    const inBetween = kept(0, sound.length) - inSentences;
    expect(inBetween / (sound.length - sentenceSamples)).toBeLessThan(0.1);
    for (const [i, { start, end }] of stretches.entries()) {
      expect(start).toBeGreaterThanOrEqual(i === 0 ? 0 : stretches[i - 1]!.end);
      expect(end).toBeGreaterThan(start);
    }
    expect(stretches.at(-1)!.end).toBeLessThanOrEqual(sound.length);
  });
});

test('a pause within a text stays in', async () => {
  const sentence = await readAudio(folder + recordings[0]!);
  const sound = new Float32Array(2 * sentence.length + SECOND);
  sound.set(sentence);
  sound.set(sentence, sentence.length + SECOND);
  expect(await speechStretches(sound)).toHaveLength(1);
});
