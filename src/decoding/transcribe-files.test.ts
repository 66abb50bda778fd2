/** Files to text: long ones in windows, unreadable ones beside others. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { joinSamples } from '../audio/join-samples.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { normalizeEnglish } from '../language/english/normalize-english.ts';
import { wordErrorRate } from '../metrics/word-error-rate.ts';
import { baseModel } from '../testing/base-model.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type TranscribeFilesOptions, transcribeFiles } from './transcribe-files.ts';
import type { TranscribeOptions } from './transcribe-options.ts';
import type { FailedTranscript, Transcript } from './transcript.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const sentence = (name: string) => path(`samples/gcompris/en/${name}.opus`);
const LONG = [
  'algebra_by',
  'algebra_minus',
  'algebra_plus',
  'algorithm',
  'babymatch',
  'ballcatch',
  'bargame',
];
let model: WhisperModel;
let folder: string;
/** What the long file says, each window read for itself. */
let apart: string;
beforeAll(async () => {
  model = await baseModel();
  folder = await mkdtemp(join(tmpdir(), 'transcribe-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(
  audio: string[],
  options: Partial<TranscribeOptions> = {},
): Promise<(Transcript | FailedTranscript)[]> {
  const results: (Transcript | FailedTranscript)[] = [];
  const files = audio.map((file) => ({ audio: file, language: 'en' }));
  for await (const result of transcribeFiles(model, files, options)) {
    results.push(result);
  }
  return results;
}

async function writeWav(name: string, samples: Float32Array): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, wavBytes(samples));
  return file;
}

/** Longer than a window. */
async function longFile(): Promise<string> {
  const parts = await Promise.all(LONG.map((name) => readAudio(sentence(name))));
  const pause = new Float32Array(8_000);
  const length = parts.reduce((sum, part) => sum + part.length + pause.length, 0);
  expect(length / 16_000).toBeGreaterThan(33);
  const samples = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length + pause.length;
  }
  return writeWav('long.wav', samples);
}

test('audio longer than a window: nothing lost, times in order, words within their segments', async () => {
  const short = (await run(LONG.map(sentence))).map((result) => (result as Transcript).text);
  const [long] = (await run([await longFile()], { words: true })) as [Transcript];
  apart = long.text;
  const errors = wordErrorRate([normalizeEnglish(long.text)], [normalizeEnglish(short.join(' '))]);
  expect(errors.rate).toBeLessThan(0.1);
  expect(long.segments.length).toBeGreaterThan(3);
  let last = 0;
  for (const { start, end, words, text } of long.segments) {
    expect(start).toBeGreaterThanOrEqual(last - 0.05);
    expect(end).toBeGreaterThan(start);
    expect(end).toBeLessThanOrEqual(long.duration);
    expect(
      words!
        .map((word) => word.text)
        .join('')
        .trim(),
    ).toBe(text.trim());
    for (const word of words!) {
      expect(word.start).toBeGreaterThanOrEqual(start - 0.01);
      expect(word.end).toBeLessThanOrEqual(end + 0.01);
      expect(word.probability).toBeGreaterThan(0);
    }
    last = end;
  }
});

test('with --condition-on-previous windows are read one after the other, to the same end', async () => {
  const [told] = (await run([join(folder, 'long.wav')], { conditionOnPrevious: true })) as [Transcript];
  expect(wordErrorRate([normalizeEnglish(told.text)], [normalizeEnglish(apart)]).rate).toBeLessThan(0.1);
  expect(told.segments.at(-1)!.end).toBeLessThanOrEqual(told.duration);
});

test('a file that cannot be read gives an error entry; the others are transcribed, in order', async () => {
  const notAudio = join(folder, 'notes.wav');
  await writeFile(notAudio, 'these are words, not samples');
  const results = await run([
    sentence('algebra_by'),
    notAudio,
    join(folder, 'absent.wav'),
    sentence('babymatch'),
  ]);
  expect(results.map((result) => 'error' in result)).toEqual([false, true, true, false]);
  expect((results[1] as FailedTranscript).error).toContain('notes.wav');
  expect((results[3] as Transcript).text).toMatch(/match/i);
});

test('with skipSilence, silence is skipped, and times are those of the whole file', async () => {
  const speech = await readAudio(sentence('babymatch'));
  const silence = 10 * 16_000;
  const samples = new Float32Array(silence + speech.length + silence);
  samples.set(speech, silence);
  const file = await writeWav('quiet.wav', samples);
  const nothing = await writeWav('nothing.wav', new Float32Array(silence));
  const [heard, empty] = (await run([file, nothing], {
    skipSilence: true,
    timestamps: true,
  })) as Transcript[];
  expect(heard!.text).toMatch(/match/i);
  expect(heard!.segments[0]!.start).toBeGreaterThan(9);
  expect(heard!.segments.at(-1)!.end).toBeLessThan(10 + speech.length / 16_000 + 1);
  expect(empty!.text).toBe('');
  expect(empty!.segments).toEqual([]);
});

test('with fallback a failed text is sampled, the same for the same seed', async () => {
  // No text is good enough for such thresholds: all temperatures are tried.
  const options = {
    temperature: [0, 0.4],
    logProbabilityThreshold: 0,
    noSpeechThreshold: 1,
    seed: 7,
    bestOf: 2,
  };
  const [first] = (await run([sentence('babymatch')], options)) as Transcript[];
  const [second] = (await run([sentence('babymatch')], options)) as Transcript[];
  expect(first!.segments[0]!.temperature).toBe(0.4);
  expect(second).toEqual(first);
});

/** Reproducible noise with this RMS. */
function noise(seconds: number, rms: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length: seconds * 16_000 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state / 2 ** 32) * 2 - 1) * rms * Math.sqrt(3);
  });
}
const tone = (seconds: number, hertz: number) =>
  Float32Array.from(
    { length: seconds * 16_000 },
    (_, i) => 0.05 * Math.sin((2 * Math.PI * hertz * i) / 16_000),
  );

async function detected(audio: string[], options: Partial<TranscribeFilesOptions> = {}) {
  const results: Transcript[] = [];
  const files = audio.map((file) => ({ audio: file }));
  for await (const result of transcribeFiles(model, files, options)) results.push(result as Transcript);
  return results;
}

test('where nobody speaks there is no text, no segment and no language', async () => {
  const sounds = [1, 3, 31].flatMap((seconds) => [new Float32Array(seconds * 16_000), noise(seconds, 0.01)]);
  sounds.push(tone(3, 1000), tone(31, 50));
  const files = await Promise.all(sounds.map((sound, i) => writeWav(`nobody-${i}.wav`, sound)));
  for (const result of await detected(files)) {
    const { language, text, segments } = result;
    expect({ language, text, segments }).toEqual({ language: 'unknown', text: '', segments: [] });
    expect(result).not.toHaveProperty('languageProbability');
    expect(result).not.toHaveProperty('alternatives');
  }
});

test('the language is asked where somebody speaks; silence before it changes no text', async () => {
  const sentences = joinSamples(
    await Promise.all(
      ['algebra_by', 'maze'].map((name) => readAudio(path(`samples/gcompris/fr/${name}.opus`))),
    ),
  );
  const plain = await writeWav('french.wav', sentences);
  const after = await writeWav('silence-french.wav', joinSamples([new Float32Array(35 * 16_000), sentences]));
  const [alone, late] = await detected([plain, after]);
  expect(alone!.language).toBe('fr');
  expect(late!.language).toBe('fr');
  expect(late!.text).toBe(alone!.text);
  expect(late!.segments[0]!.start).toBeGreaterThanOrEqual(34.5);
  expect(late!.segments.at(-1)!.end).toBeLessThanOrEqual(late!.duration);
});

test('each window in its own language, on request, with a note', async () => {
  const [english, french] = await Promise.all(
    ['en', 'fr'].map((language) => readAudio(path(`samples/gcompris/${language}/algebra_by.opus`))),
  );
  const file = await writeWav(
    'two.wav',
    joinSamples([english!, new Float32Array(6 * 16_000), french!, new Float32Array(6 * 16_000), french!]),
  );
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  const [own] = await detected([file], { languagePerWindow: true, onNote });
  expect(own!.segments.map(({ language }) => language)).toEqual(['en', 'fr', 'fr']);
  expect(own!.language).toBe('fr');
  expect(own!.text).toMatch(/two numbers.*deux nombre/i);
  const [one] = await detected([file], { onNote });
  expect(one!.language).toBe('fr');
  expect(notes).toHaveLength(2);
  expect(notes[0]).toContain('en from 0.0 s, fr from');
  expect(notes[1]).toContain('found en, fr in one recording');
});

test('a translation into Chinese has Chinese words, and no half characters', async () => {
  const audio = sentence('babymatch');
  const into = { task: 'translate', to: 'zh', promptKind: 'target-transcribe' } as const;
  const [whole] = await detected([audio], { ...into, words: true });
  expect(whole!.text).toMatch(/\p{Script=Han}/u);
  const words = whole!.segments.flatMap((segment) => segment.words!);
  expect(words.length).toBeGreaterThan(3);
  expect(Math.max(...words.map(({ text }) => [...text].length))).toBeLessThanOrEqual(8);
  for (const maxTokens of [3, 5, 8, 12]) {
    const [cut] = await detected([audio], { ...into, maxTokens, beams: 2, words: true });
    expect(JSON.stringify(cut)).not.toContain('\ufffd');
  }
});
