/** Early exit: languages without a token are prompted as a related one, or left out. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Clip } from '../../data/clip.ts';
import { LayerCache } from '../../features/layer-cache.ts';
import { writeTinyModel } from '../../testing/tiny-model.ts';
import { WhisperModel } from '../../whisper/model.ts';
import { canTranscribe, earlyExitFigure, earlyExitStudy } from './early-exit.ts';

let folder: string;
let model: WhisperModel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'early-exit-'));
  await writeTinyModel(join(folder, 'model'), { encoderLayers: 2 });
  model = await WhisperModel.load(join(folder, 'model'), { threads: 1 });
});
afterAll(async () => {
  await model?.close();
  await rm(folder, { recursive: true, force: true });
});

const sound = fileURLToPath(new URL('../../../samples/gcompris/fr/maze.opus', import.meta.url));
const clipIn = (language: string): Clip => ({
  ...{ audio: sound, language, set: '', key: 'maze', text: 'Aide Tux à sortir du labyrinthe.' },
  ...{ translations: {}, duration: Number.NaN, other: {} },
});

test('a language without a token has that of a related one; error rates of words and of characters', async () => {
  const clips = ['fr', 'ga'].map(clipIn);
  expect(clips.every((clip) => canTranscribe(model, clip))).toBe(true);
  expect(canTranscribe(model, clipIn('tlh'))).toBe(false);
  const cache = await LayerCache.open(model, join(folder, 'cache'), 'fit');
  await cache.fill(clips.map(({ audio }) => audio));
  const rows = await earlyExitStudy(cache, clips, [1, 2]);
  expect(rows.map(({ layer, language, promptedAs }) => [layer, language, promptedAs])).toEqual([
    [1, 'fr', undefined],
    [1, 'ga', 'cy'],
    [2, 'fr', undefined],
    [2, 'ga', 'cy'],
  ]);
  for (const { wer, cer } of rows) {
    expect(wer.value).toBeGreaterThan(0.5);
    expect(cer.value).toBeGreaterThan(0);
    expect(cer.value).not.toBe(wer.value);
  }
  const [head, ...lines] = earlyExitFigure(rows, 'fit').csv.trim().split('\n');
  expect(head).toBe('layer,language,n,wer,low,high,cer,cer low,cer high');
  expect(lines[1]!.split(',')).toHaveLength(9);
});
