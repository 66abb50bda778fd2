/** Fingerprints of the clips of a run: equal texts and windows are equal clips, those of earlier versions are recognised. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Clip, referenceIn } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { RecordingMemo } from '../features/recording-memo.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { windowFrames } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { promptOf } from '../whisper/prompts.ts';
import { tokenCount, withClip } from './batches.ts';
import { textExamples, translationExamples } from './examples.ts';
import { readRecipe } from './recipe-source.ts';
import { isFormerSelection, selectionFingerprint } from './selection.ts';

const samples = fileURLToPath(new URL('../../samples/manifest.tsv', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'selection-'));
let model: WhisperModel;
let clips: Clip[];
beforeAll(async () => {
  await writeTinyModel(join(scratch, 'model'));
  model = await WhisperModel.load(join(scratch, 'model'));
  clips = (await readManifest(samples)).filter(({ set, language }) => set === 'train' && language === 'en');
});
afterAll(async () => {
  await model.close();
  rmSync(scratch, { recursive: true });
});

const recipe = () => readRecipe({ data: samples, set: 'train', from: 'en', to: 'zh', output: scratch });
const options = {
  target: 'zh',
  promptOf: (language: string, target: string) =>
    promptOf(model.tokens, 'target-transcribe', target, language),
};
/** @param secondsOf what the windows follow */
const examplesOf = (some: readonly Clip[], secondsOf = (clip: Clip) => clip.duration) =>
  textExamples(
    model,
    some.map((clip) => {
      const window = windowFrames(Math.round(16_000 * secondsOf(clip)), 'fit');
      const length = Math.min(window, Math.ceil((16_000 * secondsOf(clip)) / 320));
      return {
        clip,
        encoded: { window, length, width: 16, read: () => Promise.reject(new Error('unread')) },
      };
    }),
    options,
  );

test('texts that are tokenised when they are read have the tokens, and the number of them, of all at once', () => {
  const lazy = examplesOf(clips.slice(0, 200));
  const pairs = lazy.map(({ source, clip }) => ({ clip: source, encoded: clip }));
  const all = translationExamples(model, pairs, options);
  expect(lazy.map(({ tokens }) => tokens)).toEqual(all.map(({ tokens }) => tokens));
  expect(lazy.map(tokenCount)).toEqual(all.map(({ tokens }) => tokens.length));
  expect(lazy.every(({ length, maxLength }) => length <= maxLength)).toBe(true);
  const { tokens, promptLength, target, source } = all[0]!;
  expect(withClip(lazy[0]!, all[0]!.clip)).toMatchObject({ tokens, promptLength, target, source });
});

test('a text over the room of the decoder is left out, whatever its script; one that just fits is not', () => {
  const texts = ['他'.repeat(600), 'words '.repeat(446), 'x'.repeat(500), '👩‍👩‍👧‍👦'.repeat(60), '好'];
  const skipped: string[] = [];
  const room = model.dimensions.textPositions;
  const long = texts.map((text, i) => ({ ...clips[i]!, translations: { zh: text } }));
  const pairs = long.map((clip) => ({ clip, encoded: examplesOf([clips[0]!])[0]!.clip }));
  const kept = textExamples(model, pairs, {
    ...options,
    onSkipped: ({ translations }, reason) => skipped.push(`${translations.zh![0]} ${reason}`),
  });
  const fits = (text: string) => model.tokens.encode(text).length + 4 + 1 <= room;
  expect(kept.map(({ source }) => referenceIn(source, 'zh'))).toEqual(texts.filter(fits));
  expect(skipped).toHaveLength(texts.filter((text) => !fits(text)).length);
  expect(skipped[0]).toContain(`longer than the decoder's ${room} tokens`);
});

test('another text, order or window is another selection; a length within the window is the same', async () => {
  const some = clips.slice(0, 50);
  const of = async (...args: Parameters<typeof examplesOf>) =>
    selectionFingerprint(await recipe(), examplesOf(...args));
  const own = await of(some);
  expect(own).toMatch(/^50 \([0-9a-f]{12}\)$/);
  expect(await of(some, ({ duration }) => duration - 1e-4)).toBe(own);
  const [first, ...rest] = some;
  for (const other of [
    [{ ...first!, translations: { zh: '不同' } }, ...rest],
    [...rest, first!],
    [{ ...first!, duration: 29 }, ...rest],
    [{ ...first!, language: 'fr' }, ...rest],
  ]) {
    expect(await of(other)).not.toBe(own);
  }
});

test('fingerprints of earlier versions are recognised, as far as the batches would be the same', async () => {
  const work = { memo: await RecordingMemo.open(undefined), window: 'fit' } as const;
  const examples = examplesOf(clips);
  const isFormer = async (found: unknown, some = examples) =>
    isFormerSelection(found, await recipe(), some, work);
  // By version 0.2 at commit 300aaac, lengths from duration_s; and at 58171cf, lengths from the recordings.
  expect(await isFormer('1500 (d6521d7ecbaa)')).toBe(true);
  expect(await isFormer('1500 (68c43d331f38)')).toBe(true);
  expect(await isFormer('1500 (000000000000)')).toBe(false);
  expect(await isFormer(undefined)).toBe(false);
  const otherWindow = clips.map((clip, i) => (i === 3 ? { ...clip, duration: 28 } : clip));
  await expect(isFormer('1500 (68c43d331f38)', examplesOf(otherWindow))).rejects.toThrow(
    /an earlier version, which took the lengths .*; 1 of 1500 would come in other batches .*; a manifest without the column "duration_s"/,
  );
});
