/** Recordings of hours: read again from their source rather than held, with the same transcripts. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import type { AudioSource } from '../audio/audio-source.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { UserError } from '../errors.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { joinedTexts } from './joined-texts.ts';
import type { KeptWindow, WindowKey } from './kept-window.ts';
import { type Samples, scanRecording } from './recording.ts';
import { type TranscribeFilesOptions, transcribeFiles } from './transcribe-files.ts';
import type { Transcript } from './transcript.ts';

const RATE = 16_000;
const SECONDS = 130;
let scratch: string;
let model: WhisperModel;
let file: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'long-'));
  await writeTinyModel(join(scratch, 'model'));
  model = await WhisperModel.load(join(scratch, 'model'));
  file = join(scratch, 'long.wav');
  await writeFile(file, await longWav());
});
afterAll(async () => {
  await model?.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Two channels of 16 bits with sentences between pauses and a long silence; the second is silent first. */
async function longWav(): Promise<Uint8Array> {
  const folder = fileURLToPath(new URL('../../samples/gcompris/en/', import.meta.url));
  const sentences = await Promise.all(
    ['algebra_by', 'babymatch', 'maze'].map((name) => readAudio(join(folder, `${name}.opus`))),
  );
  const samples = new Float32Array(2 * SECONDS * RATE);
  for (let at = 0, i = 0; ; i++) {
    const sentence = sentences[i % 3]!;
    const [left, right] = [Number(i % 10 < 7), Number(i % 10 > 4)];
    if (at + sentence.length > SECONDS * RATE) break;
    sentence.forEach((sample, k) => {
      samples.set([left * sample, right * sample], 2 * (at + k));
    });
    at += sentence.length + (i % 4) * 4000 + (i % 9 === 8 ? 9 * RATE : 0);
  }
  const bytes = wavBytes(samples);
  bytes.writeUInt16LE(2, 22); // channels
  bytes.writeUInt32LE(4 * RATE, 28);
  bytes.writeUInt16LE(4, 32);
  return bytes;
}

async function transcript(audio: AudioSource, options: TranscribeFilesOptions = {}) {
  const chosen = { from: 'en', maxTokens: 4, timestamps: true, ...options };
  for await (const { audio: _, ...result } of transcribeFiles(model, [{ audio }], chosen)) return result;
  throw new Error('no result');
}

test.each<[string, TranscribeFilesOptions]>([
  [', detected language', { from: undefined }],
  [
    ', a part of it, each window after the text before it',
    { clip: { from: 2.5 }, conditionOnPrevious: true },
  ],
  [', its channels, without silences', { channels: 'separate', skipSilence: true }],
  [', in windows of 30 s', { batched: false, from: undefined }],
  [', without silences', { skipSilence: true, beams: 2 }],
])('a long file has the transcript of its samples%s', async (_, options) => {
  const bytes = readFileSync(file);
  const stream = new Blob([bytes]).stream();
  // A stream cannot be read again: its samples are held.
  const expected = await transcript(stream, options);
  expect(await transcript(file, options)).toEqual(expected);
  expect('segments' in expected && expected.segments.length).toBeGreaterThan(3);
});

test.each<TranscribeFilesOptions>([
  { languagePerWindow: true, from: undefined },
  { from: undefined },
  { channels: 'separate', words: true },
  { conditionOnPrevious: true, words: true },
  { batched: false, words: true },
])('a run that stopped within a recording resumes to the same transcript: %o', async (options) => {
  const kept = new Map<string, KeptWindow>();
  const keyOf = ({ sound, part, window }: WindowKey) => `${sound} ${part} ${window}`;
  const add = async (windows: readonly KeptWindow[]) => {
    // As in a file.
    for (const window of windows) kept.set(keyOf(window), JSON.parse(JSON.stringify(window)));
  };
  const get = (key: WindowKey) => kept.get(keyOf(key));
  const chosen = { clip: { to: 75 }, ...options };
  const expected = await transcript(file, { ...chosen, windows: { get, add } });
  expect(kept.size).toBeGreaterThan(2);
  const half = [...kept.keys()].slice(Math.ceil(kept.size / 2));
  for (const key of half) kept.delete(key);
  expect(await transcript(file, { ...chosen, windows: { get, add } })).toEqual(expected);
  expect([...kept.keys()]).toEqual(expect.arrayContaining(half));
});

test('sentences of a translation are parted as its language parts them', async () => {
  for (const to of ['de', 'zh']) {
    const { text, segments } = (await transcript(file, { task: 'translate', to })) as Transcript;
    const texts = segments.map(({ text }) => text);
    expect(text).toBe(joinedTexts(texts, to === 'de'));
  }
  // Whisper's own segments begin with a space, those of a tuned decoder do not.
  expect(joinedTexts(['Er geht.', ' Sie kommt.', '', 'Sie bleibt.'], true)).toBe(
    'Er geht. Sie kommt. Sie bleibt.',
  );
  expect(joinedTexts(['他去散步。', '她来了。'], false)).toBe('他去散步。她来了。');
});

test('pieces that are decoded at once have no text before them', async () => {
  const both = transcript(file, { batched: true, conditionOnPrevious: true });
  await expect(both).rejects.toThrow(
    /^batched: found condition-on-previous with it; expected one or the other/,
  );
});

test('what is read again is bit by bit what the file holds, from any place on', async () => {
  const whole = await readAudio(file);
  const seconds: number[] = [];
  const [track] = await scanRecording(file, { fingerprints: true, onRead: (read) => seconds.push(read) });
  expect(seconds.length).toBeGreaterThan(1);
  expect(seconds.at(-1)).toBeCloseTo(track!.length / 16_000);
  const [held] = await scanRecording(whole, { fingerprints: true });
  expect(track!.length).toBe(whole.length);
  expect(track!.stretches).toEqual(held!.stretches);
  expect(track!.sound).toBe(held!.sound);
  const samples: Samples = track!.open();
  for (const [from, to] of [
    [0, 5],
    [5, 480_005],
    [300_000, 780_000],
    [1_900_001, 1_900_001],
    [1_900_000, whole.length],
    [77, 100_000], // begins again
  ] as const) {
    const read = await samples.read(from, to);
    expect(Buffer.from(read.buffer).equals(Buffer.from(whole.slice(from, to).buffer))).toBe(true);
  }
  await samples.close();
});

test('a file that becomes shorter while it is transcribed is an error', async () => {
  const shorter = join(scratch, 'shorter.wav');
  const bytes = readFileSync(file);
  await writeFile(shorter, bytes);
  const [track] = await scanRecording(shorter, {});
  await writeFile(shorter, bytes.subarray(0, bytes.length / 2));
  const samples = track!.open();
  const error = await samples.read(0, track!.length).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(/^.*shorter\.wav: found 6\d\.\d s of sound; expected 130\.0 s/);
  await samples.close();
});
