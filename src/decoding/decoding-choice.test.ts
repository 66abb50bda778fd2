/** What is decoded with where nothing is said. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { saveModel } from '../training/save.ts';
import { WhisperModel } from '../whisper/model.ts';
import { vocabularyOf } from '../whisper/target-vocabulary.ts';
import { chosenDecoding } from './decoding-choice.ts';

const scratch = mkdtempSync(join(tmpdir(), 'decoding-choice-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('a model that was trained with a target vocabulary decodes with it into its target, and into nothing else', async () => {
  const [before, trained] = ['tiny', 'trained'].map((name) => join(scratch, name)) as [string, string];
  await writeTinyModel(before);
  const untrained = await WhisperModel.load(before);
  const vocabulary = vocabularyOf('zh.txt', ['你好', '再见'], untrained.tokens);
  await saveModel(untrained, trained, {
    prompt: { target: 'zh', kind: 'target-transcribe' },
    dtype: 'float32',
    vocabulary,
  });
  expect((await chosenDecoding(untrained, {}, 'zh')).decoding.vocabulary).toBeUndefined();
  await untrained.close();
  const model = await WhisperModel.load(trained);
  expect((await chosenDecoding(model, {}, 'zh')).decoding.vocabulary).toEqual(vocabulary);
  expect((await chosenDecoding(model, {}, 'en')).decoding.vocabulary).toBeUndefined();
  const named = vocabularyOf('other', ['你'], model.tokens);
  expect((await chosenDecoding(model, { targetVocabulary: named }, 'zh')).decoding.vocabulary).toBe(named);
  await model.close();
});
