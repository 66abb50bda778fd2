/** Speech that does not fit into memory, and augmented speech: the same to the bit as if it did, and as if made anew. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Augmentation } from '../audio/augment/augmentation.ts';
import { wavBytes } from '../audio/wav-write.ts';
import type { Clip } from '../data/clip.ts';
import { GAP_SECONDS } from '../data/recording.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { isLazy, type Lazy, type ReadyClip } from '../whisper/lazy.ts';
import type { MelClip } from '../whisper/mel-batch.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { ReadyExample } from './batches.ts';
import { defaultTraining } from './choices.ts';
import { encodedSpeech, melSpeech } from './example-speech.ts';
import { PreparedBatches } from './prepared-batches.ts';
import { trainDecoder } from './train.ts';

const scratch = mkdtempSync(join(tmpdir(), 'example-speech-'));
const cache = join(scratch, 'cache');
let model: WhisperModel;
let clips: Clip[];

beforeAll(async () => {
  await writeTinyModel(join(scratch, 'model'));
  model = await WhisperModel.load(join(scratch, 'model'), { threads: 1 });
  clips = [0.5, 3.4, 1.2, 2.8].map((duration, i) => {
    const audio = join(scratch, `${i}.wav`);
    writeFileSync(audio, wavBytes(pseudo(16_000 * duration, i, 0.8)));
    const texts = { text: '', translations: { zh: '文' } };
    return { audio, language: 'en', set: '', key: '', ...texts, duration, other: {} };
  });
});
afterAll(async () => {
  await model.close();
  rmSync(scratch, { recursive: true, force: true });
});

const options = {
  window: 'fit' as const,
  cache,
  maxBytes: Number.POSITIVE_INFINITY,
  onProgress: () => {},
  onSkipped: (message: string) => {
    throw new Error(message);
  },
};
const augmentation = () => {
  const folder = join(scratch, 'noise');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'a.wav'), wavBytes(pseudo(5000, 9, 1)));
  return Augmentation.open(
    {
      speed: [0.9, 1.1],
      noise: { folder, snr: [5, 20], probability: 1 },
      specAugment: { timeMasks: 1, timeWidth: 20, frequencyMasks: 2, frequencyWidth: 20 },
    },
    1,
  );
};
const ready = (clip: ReadyClip | Lazy<ReadyClip>, visit = 0) => (isLazy(clip) ? clip.read(visit) : clip);
const examplesOf = (speech: readonly { encoded: ReadyClip | Lazy<ReadyClip> }[]) =>
  speech.map(({ encoded }, i) => ({
    clip: encoded,
    tokens: [50258, 50259, 50359, 50363, 100 + i, 200, 50257],
    promptLength: 4,
  }));

test('outputs that do not fit into memory are read from the cache, and train the same weights to the bit', async () => {
  const name = 'model.decoder.layers.0.fc1.weight';
  const weights: Float32Array[] = [];
  const shares: number[] = [];
  for (const maxBytes of [Number.POSITIVE_INFINITY, 6000, 0]) {
    const fresh = await WhisperModel.load(join(scratch, 'model'), { threads: 1 });
    const speech = await encodedSpeech(fresh, clips, 1, { ...options, maxBytes });
    shares.push(speech.filter(({ encoded }) => isLazy(encoded)).length);
    await trainDecoder(fresh, examplesOf(speech), { ...defaultTraining, steps: 5, batchSize: 2 });
    weights.push((await fresh.runtime.read([name]))[0]!.data as Float32Array);
    await fresh.close();
  }
  expect(shares).toEqual([0, 2, 4]);
  expect(weights[1]).toEqual(weights[0]);
  expect(weights[2]).toEqual(weights[0]);
});

test('a cache that disappears during training is an error of one line', async () => {
  const own = join(scratch, 'own-cache');
  const [speech] = await encodedSpeech(model, clips.slice(0, 1), 1, { ...options, cache: own, maxBytes: 0 });
  rmSync(own, { recursive: true });
  await expect(ready(speech!.encoded)).rejects.toThrow(
    /\.f16: found no whole encoder output; expected it to stay/,
  );
});

test('augmented copies are encoded once, each its own; another seed is another entry of the cache', async () => {
  const own = join(scratch, 'copies');
  const entries = () =>
    readdirSync(own, { recursive: true }).filter((name) => String(name).endsWith('.f16')).length;
  const with_ = { ...options, cache: own, augmentation: await augmentation() };
  const first = await encodedSpeech(model, clips, 3, with_);
  expect(first).toHaveLength(12);
  expect(entries()).toBe(12);
  const frames = (speech: typeof first) => speech.map(({ encoded }) => (encoded as EncodedClip).frames);
  expect(frames(await encodedSpeech(model, clips, 3, with_))).toEqual(frames(first));
  expect(entries()).toBe(12);
  rmSync(own, { recursive: true });
  expect(frames(await encodedSpeech(model, clips, 3, with_))).toEqual(frames(first));
  expect(frames(first)[0]).not.toEqual(frames(first)[1]);
  const seed = await Augmentation.open(with_.augmentation.options, 2);
  await encodedSpeech(model, clips, 1, { ...with_, augmentation: seed });
  expect(entries()).toBe(16);
});

test('where the encoder is tuned each visit is a new version, and masked; the bound on memory changes nothing', async () => {
  const chance = await augmentation();
  const [one] = await melSpeech(model, clips.slice(1, 2), { ...options, augmentation: chance });
  const visits = await Promise.all([0, 1, 0].map((visit) => ready(one!.encoded, visit) as Promise<MelClip>));
  expect(visits[2]).toEqual(visits[0]);
  expect(visits[1]!.mel).not.toEqual(visits[0]!.mel);
  for (const { mel, window } of visits) {
    expect(window).toBeLessThanOrEqual(one!.encoded.window);
    const rows = Array.from({ length: 80 }, (_, bin) =>
      mel.subarray(bin * 2 * window, (bin + 1) * 2 * window),
    );
    expect(rows.some((row) => row.every((value) => value === 0))).toBe(true);
  }
  const [held] = await melSpeech(model, clips.slice(1, 2), options);
  const [deferred] = await melSpeech(model, clips.slice(1, 2), { ...options, maxBytes: 0 });
  expect(isLazy(deferred!.encoded)).toBe(true);
  expect(await ready(deferred!.encoded)).toEqual(held!.encoded);
});

test('visits are counted over epochs, and over batches that a resumed run passes', async () => {
  const seen: string[] = [];
  const clip = (i: number): Lazy<ReadyClip> => ({
    window: 1,
    length: 1,
    read: async (visit) => {
      seen.push(`${i}:${visit}`);
      return { frames: new Float32Array(16), window: 1, length: 1, width: 16 };
    },
  });
  const examples = [0, 1].map((i) => ({ clip: clip(i), tokens: [1, 2, 3], promptLength: 1 }));
  const batches = () => new PreparedBatches(examples, { batchSize: 2, seed: 1 }, undefined, 0);
  const whole = batches();
  const taken: (readonly ReadyExample[])[] = [];
  for (let i = 0; i < 3; i++) taken.push((await whole.next()).examples);
  expect(taken.map(({ length }) => length)).toEqual([2, 2, 2]);
  expect(seen.slice(0, 6).sort()).toEqual(['0:0', '0:1', '0:2', '1:0', '1:1', '1:2']);
  seen.length = 0;
  const resumed = batches();
  resumed.skip(2);
  await resumed.next();
  expect(seen.slice(0, 2).sort()).toEqual(['0:2', '1:2']);
});

test('merged recordings are joined with a gap; a clip with an unreadable one is skipped', async () => {
  const joined = { ...clips[0]!, following: [clips[2]!.audio] };
  const [speech] = await melSpeech(model, [joined], options);
  expect(speech!.encoded.length).toBe(Math.ceil((0.5 + GAP_SECONDS + 1.2) * 50));
  const lines: string[] = [];
  const broken = { ...joined, following: [join(scratch, 'absent.wav')] };
  const left = { ...options, onSkipped: (line: string) => lines.push(line) };
  expect(await melSpeech(model, [broken], left)).toEqual([]);
  expect(await encodedSpeech(model, [broken], 1, left)).toEqual([]);
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(line).toMatch(/absent\.wav: found no such file; expected/);
  const long = join(scratch, 'long.wav');
  writeFileSync(long, wavBytes(new Float32Array(16_000 * 30)));
  await melSpeech(model, [{ ...joined, following: [long] }], left);
  expect(lines[2]).toMatch(
    /0\.wav and the 1 after it: found 30\.7 s of sound together; expected at most 30 s/,
  );
});
