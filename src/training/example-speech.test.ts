/** Speech that does not fit into memory, and augmented speech: the same to the bit as if it did, and as if made anew. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Augmentation } from '../audio/augment/augmentation.ts';
import { wavBytes } from '../audio/wav-write.ts';
import type { Clip } from '../data/clip.ts';
import { GAP_SECONDS } from '../data/recording.ts';
import { EncoderOutputs, type EncoderOutputsOptions, encodingName } from '../features/encoder-outputs.ts';
import { recordingLengths } from '../features/recording-lengths.ts';
import { RecordingMemo } from '../features/recording-memo.ts';
import { Shards } from '../features/shards.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { isLazy, type Lazy, type ReadyClip } from '../whisper/lazy.ts';
import type { MelClip } from '../whisper/mel-batch.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { ReadyExample } from './batches.ts';
import { defaultTraining } from './choices.ts';
import { encodedSpeech, type MeasuredClip, melSpeech } from './example-speech.ts';
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

/** Lengths as the files have them. */
const measured = async (some: readonly Clip[]): Promise<MeasuredClip[]> => {
  const lengths = await recordingLengths(await RecordingMemo.open(undefined), some);
  return some.map((clip, i) => ({ clip, samples: lengths[i]! }));
};
const outputsOf = (own: Partial<EncoderOutputsOptions> = {}, of = model) =>
  EncoderOutputs.open(of, { window: 'fit', cache, ...own });
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

test.each([
  'float16',
  'int8',
] as const)('%s: kept in memory, in the cache, found there or nowhere, outputs train the same weights to the bit', async (cacheDtype) => {
  const name = 'model.decoder.layers.0.fc1.weight';
  const weights: Float32Array[] = [];
  const own = join(scratch, `cache-${cacheDtype}`);
  for (const [folder, maxBytes] of [
    [own, 1e9],
    [own, 6000],
    [own, 0],
    [undefined, 1e9],
    [undefined, 0],
  ] as const) {
    const fresh = await WhisperModel.load(join(scratch, 'model'), { threads: 1 });
    const outputs = await outputsOf({ cache: folder, cacheDtype, maxBytes }, fresh);
    const speech = encodedSpeech(outputs, await measured(clips));
    await trainDecoder(fresh, examplesOf(speech), { ...defaultTraining, steps: 5, batchSize: 2 });
    weights.push((await fresh.runtime.read([name]))[0]!.data as Float32Array);
    await fresh.close();
  }
  for (const other of weights.slice(1)) expect(other).toEqual(weights[0]);
});

test('a duration that the manifest has wrong orders the batches, and the true window is trained on', async () => {
  const outputs = await outputsOf();
  const [speech] = encodedSpeech(outputs, [{ clip: clips[1]!, samples: 16_000 * 20 }]);
  expect(speech!.encoded.window).toBe(1056);
  const clip = (await ready(speech!.encoded)) as EncodedClip;
  expect(clip).toMatchObject({ window: 224, length: 170, width: 16 });
  const [report] = await trainDecoder(model, examplesOf([speech!]), {
    ...defaultTraining,
    steps: 1,
    batchSize: 1,
  });
  expect(report!.size.frames).toBe(224);
});

test('a recording that turns out to be unreadable is reported once, and its batches go without it', async () => {
  const broken = join(scratch, 'broken.wav');
  writeFileSync(broken, 'no audio');
  const some = [{ clip: { ...clips[0]!, audio: broken }, samples: 8000 }, ...(await measured(clips))];
  const lines: string[] = [];
  const sizes = async (batchSize: number) => {
    const fresh = await WhisperModel.load(join(scratch, 'model'), { threads: 1 });
    const speech = encodedSpeech(await outputsOf({ cache: undefined }, fresh), some);
    const reports = await trainDecoder(fresh, examplesOf(speech), {
      ...{ ...defaultTraining, steps: 10, batchSize },
      onUnreadable: (line) => lines.push(line),
    });
    await fresh.close();
    return reports.map(({ loss, size }) => [loss, size.clips]);
  };
  const first = await sizes(5);
  expect(first.map(([, clips]) => clips)).toEqual(new Array(10).fill(4));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/broken\.wav: /);
  // Where a batch has nothing else, the next clip takes its place.
  const single = await sizes(1);
  expect(single.every(([loss, clips]) => clips === 1 && Number.isFinite(loss))).toBe(true);
  expect(await sizes(1)).toEqual(single);
});

test('augmented copies are encoded once, each its own; another seed is another entry of the cache', async () => {
  const own = join(scratch, 'copies');
  const chance = await augmentation();
  const read = async (using = chance, copies = 3) => {
    const outputs = await outputsOf({ cache: own });
    const speech = encodedSpeech(outputs, await measured(clips), { copies, augmentation: using });
    const found = await Promise.all(speech.map(({ encoded }) => ready(encoded) as Promise<EncodedClip>));
    // The speed of each version is known before it is made.
    expect(found.map(({ window, length }) => [window, length])).toEqual(
      speech.map(({ encoded }) => [encoded.window, encoded.length]),
    );
    return found.map(({ frames }) => frames);
  };
  const entries = async () => (await Shards.open(join(own, await encodingName(model, 'fit')))).size;
  const first = await read();
  expect(await entries()).toBe(12);
  expect(await read()).toEqual(first);
  expect(await entries()).toBe(12);
  rmSync(own, { recursive: true });
  expect(await read()).toEqual(first);
  expect(first[0]).not.toEqual(first[1]);
  await read(await Augmentation.open(chance.options, 2), 1);
  expect(await entries()).toBe(16);
});

test('where the encoder is tuned each visit is a new version, and masked; the bound on memory changes nothing', async () => {
  const chance = await augmentation();
  const some = await measured(clips.slice(1, 2));
  const [one] = melSpeech(80, some, { window: 'fit', augmentation: chance });
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
  const [held] = melSpeech(80, some, { window: 'fit' });
  const [deferred] = melSpeech(80, some, { window: 'fit', maxBytes: 0 });
  const first = await ready(held!.encoded);
  expect(await ready(held!.encoded)).toBe(first);
  expect(await ready(deferred!.encoded)).toEqual(first);
  expect(await ready(deferred!.encoded)).not.toBe(await ready(deferred!.encoded));
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
  const batches = () =>
    new PreparedBatches(examples, { batchSize: 2, seed: 1 }, { tails: undefined, padding: 0 });
  const whole = batches();
  const taken: (readonly ReadyExample[])[] = [];
  for (let i = 0; i < 3; i++) taken.push((await whole.at(i, i + 1)).examples);
  expect(taken.map(({ length }) => length)).toEqual([2, 2, 2]);
  expect(seen.slice(0, 6).sort()).toEqual(['0:0', '0:1', '0:2', '1:0', '1:1', '1:2']);
  seen.length = 0;
  const resumed = batches();
  resumed.pass(2);
  await resumed.at(2);
  expect(seen.slice(0, 2).sort()).toEqual(['0:2', '1:2']);
});

test('merged recordings are joined with a gap; a clip without one of its files, or too long, is left out', async () => {
  const joined = { ...clips[0]!, following: [clips[2]!.audio], duration: Number.NaN };
  const some = await measured([joined]);
  const length = Math.ceil((0.5 + GAP_SECONDS + 1.2) * 50);
  const [speech] = melSpeech(80, some, { window: 'fit' });
  expect([speech!.encoded.length, (await ready(speech!.encoded)).length]).toEqual([length, length]);
  const [encoded] = encodedSpeech(await outputsOf(), some);
  expect(await ready(encoded!.encoded)).toMatchObject({ length });
  const lines: string[] = [];
  const broken = { ...joined, following: [join(scratch, 'absent.wav')] };
  const memo = await RecordingMemo.open(cache);
  const onSkip = (line: string) => lines.push(line);
  const withDuration = { ...broken, duration: 1.2 };
  expect(await recordingLengths(memo, [broken, withDuration, clips[0]!], { onSkip })).toEqual([
    undefined,
    undefined,
    8000,
  ]);
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(line).toMatch(/absent\.wav: found no such file; expected/);
  const long = join(scratch, 'long.wav');
  writeFileSync(long, wavBytes(new Float32Array(16_000 * 30)));
  const [tooLong] = melSpeech(80, await measured([{ ...joined, following: [long] }]), { window: 'fit' });
  await expect(ready(tooLong!.encoded)).rejects.toThrow(
    /0\.wav and the 1 after it: found 30\.7 s of sound together; expected at most 30 s/,
  );
});

test('recordings that are cut off are reported: the first ones by name, then their number', async () => {
  const some = Array.from({ length: 12 }, (_, i) => {
    const audio = join(scratch, `cut-${i}.wav`);
    writeFileSync(audio, wavBytes(pseudo(16_000, i, 0.8)).subarray(0, 16_000));
    return { ...clips[0]!, audio, duration: Number.NaN };
  });
  const cut = (i: number) => `${some[i]!.audio}: cut off: 0.5 of 1.0 s`;
  const named = [0, 1, 2].map(cut);
  const ten = `10 recordings are cut off or damaged so far, such as ${cut(9)}`;
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  const outputs = await outputsOf({ cache: undefined, onNote });
  for (const { encoded } of encodedSpeech(outputs, await measured(some))) await encoded.read();
  expect(notes).toEqual([...named, ten]);
  notes.length = 0;
  const recordings = some.map(({ audio }) => ({ files: [audio] }));
  await (await outputsOf({ cache: undefined, onNote })).read(recordings);
  expect(notes).toEqual([...named, ten, '12 recordings are cut off or damaged']);
  notes.length = 0;
  for (const { encoded } of melSpeech(80, await measured(some), { window: 'fit', maxBytes: 0, onNote })) {
    await encoded.read();
    await encoded.read();
  }
  expect(notes).toEqual([...named, ten]);
});
