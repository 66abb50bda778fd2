import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { decode } from '../decoding/decode.ts';
import { UserError } from '../errors.ts';
import { baseModel } from '../testing/base-model.ts';
import type { WhisperModel } from './model.ts';
import {
  outputIds,
  readTargetVocabulary,
  TARGET_VOCABULARY_FILE,
  vocabularyOf,
  writeTargetVocabulary,
} from './target-vocabulary.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
let model: WhisperModel;
let folder: string;
beforeAll(async () => {
  model = await baseModel();
  folder = await mkdtemp(join(tmpdir(), 'vocabulary-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('with a target vocabulary the decoder writes nothing else, and what it can write stays as it was', async () => {
  const clips = await model.encode([await readAudio(path('samples/gcompris/en/algebra_by.opus'))], 'fit');
  const prompts = [model.tokens.prompt('en', 'transcribe')];
  const [free] = await decode(model, clips, { prompts });
  const same = vocabularyOf('all of it', [free!.text], model.tokens);
  const [kept] = await decode(model, clips, { prompts, vocabulary: same });
  expect(kept!.text).toBe(free!.text);
  const numbers = vocabularyOf('numbers', ['1 2 3 4 5 6 7 8 9 0'], model.tokens);
  const [forced] = await decode(model, clips, { prompts, vocabulary: numbers, maxTokens: 8 });
  expect(forced!.text).toMatch(/^[\d ]*$/);
  const [beams] = await decode(model, clips, { prompts, vocabulary: numbers, maxTokens: 8, beams: 3 });
  expect(beams!.text).toMatch(/^[\d ]*$/);
});

test('it is kept with the model, special tokens follow the words', async () => {
  const vocabulary = vocabularyOf('zh.txt', ['你好', '', ' 再见 '], model.tokens);
  await writeTargetVocabulary(folder, vocabulary);
  expect(await readTargetVocabulary(folder, model.tokens)).toEqual(vocabulary);
  const ids = outputIds(vocabulary, model.tokens, model.dimensions.vocabulary);
  expect(ids.length).toBe(vocabulary.words.length + model.dimensions.vocabulary - model.tokens.endOfText);
  expect([...ids]).toEqual([...ids].sort((a, b) => a - b));
});

test.each([
  ['no JSON', '{', /target_vocabulary\.json:?\d*: not JSON/],
  ['no words', '{"source":"x","words":[]}', /"words"/],
  ['a special token', '{"source":"x","words":[5,50258]}', /found 50258 out of place/],
  ['ids out of order', '{"source":"x","words":[7,5]}', /found 5 out of place/],
])('a file with %s is refused in one line', async (_, content, message) => {
  await writeFile(join(folder, TARGET_VOCABULARY_FILE), content);
  const reading = readTargetVocabulary(folder, model.tokens);
  await expect(reading).rejects.toThrow(UserError);
  await expect(reading).rejects.toThrow(message);
});

test('a text without words makes no vocabulary', () => {
  expect(() => vocabularyOf('empty.txt', ['', ' '], model.tokens)).toThrow('empty.txt: no text');
});
