/** Targets of any script: the labels are the manifest's texts as they are, and several targets fit in one model. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wavBytes } from '../audio/wav-write.ts';
import { UserError } from '../errors.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { isTrainedFor, trainedPrompt } from '../whisper/prompts.ts';
import { defaultTraining } from './choices.ts';
import { evaluateDevSet } from './dev-evaluation.ts';
import type { Recipe } from './recipe.ts';
import { recipeClips, trainingData } from './recipe-data.ts';
import { parseRecipe } from './recipe-file.ts';
import { saveModel } from './save.ts';
import { trainDecoder } from './train.ts';

const scratch = mkdtempSync(join(tmpdir(), 'targets-'));
const manifest = join(scratch, 'clips.tsv');
let model: WhisperModel;

const TEXTS = {
  de: 'Die Straße führt nach Köln.',
  ja: '電車で東京へ行く。',
  th: 'ฉันไปกรุงเทพ',
  zh: '我坐電車去東京。',
  ga: 'Tá mé ag dul abhaile.',
};

beforeAll(async () => {
  await writeTinyModel(join(scratch, 'model'));
  model = await WhisperModel.load(join(scratch, 'model'), { threads: 1 });
  const rows = ['train', 'train', 'dev'].map((set, i) => {
    writeFileSync(join(scratch, `${i}.wav`), wavBytes(pseudo(8000, i, 0.6)));
    return [`${i}.wav`, 'en', set, 'Hello.', ...Object.values(TEXTS)];
  });
  const header = ['audio', 'lang', 'set', 'text', ...Object.keys(TEXTS).map((code) => `text_${code}`)];
  writeFileSync(manifest, [header, ...rows].map((cells) => `${cells.join('\t')}\n`).join(''));
});
afterAll(async () => {
  await model.close();
  rmSync(scratch, { recursive: true, force: true });
});

const recipeFor = (values: object, corpora: object[] = [{ manifest, set: 'train' }]): Recipe =>
  parseRecipe([
    {
      values: { output: join(scratch, 'out'), data: { corpora, cache: join(scratch, 'cache') }, ...values },
      label: (path) => path.join('.'),
    },
  ]);
const dataFor = async (values: object, corpora?: object[]) => {
  const recipe = recipeFor(values, corpora);
  return trainingData(model, recipe, await recipeClips(recipe), {});
};

test.each([
  ['de', '<|de|>', TEXTS.de],
  ['ja', '<|ja|>', TEXTS.ja],
  ['th', '<|th|>', TEXTS.th],
  ['zh', '<|zh|>', '我坐电车去东京。'],
  ['zh-Hans', '<|zh|>', '我坐电车去东京。'],
  ['zh-Hant', '<|zh|>', TEXTS.zh],
])('into %s: the prompt names it, the labels are its texts, and a step trains on them', async (target, token, text) => {
  const { examples, devSet } = await dataFor({ target, dev: { set: 'dev' } });
  for (const { tokens, promptLength } of examples) {
    expect(model.tokens.decodeEach(tokens.slice(0, promptLength))[1]).toBe(token);
    expect(model.tokens.decode(tokens.slice(promptLength))).toBe(text);
  }
  const [report] = await trainDecoder(model, examples, { ...defaultTraining, steps: 1, batchSize: 2 });
  expect(report!.loss).toBeGreaterThan(0);
  const { bleu, targets } = await evaluateDevSet(model, devSet!.examples, { step: 1 });
  expect(bleu).toBeGreaterThanOrEqual(0);
  expect(targets).toBeUndefined();
});

test('several targets: each corpus has its own, dev scores are reported by target, the model keeps the list', async () => {
  const corpora = [
    { manifest, set: 'train', target: 'de' },
    { manifest, set: 'train' },
  ];
  const { examples, devSet } = await dataFor({ target: 'ja', dev: { set: 'dev' } }, corpora);
  expect(examples.map(({ target, corpus }) => [target, corpus])).toEqual([
    ['de', 0],
    ['de', 0],
    ['ja', 1],
    ['ja', 1],
  ]);
  expect(devSet!.examples.map(({ target }) => target)).toEqual(['de', 'ja']);
  const { bleu, targets } = await evaluateDevSet(model, devSet!.examples, { step: 1 });
  expect(Object.keys(targets!)).toEqual(['de', 'ja']);
  expect(bleu).toBeCloseTo((targets!.de!.bleu + targets!.ja!.bleu) / 2, 9);

  const saved = join(scratch, 'saved');
  const prompt = { target: 'de', targets: ['de', 'ja'], kind: 'target-translate' as const };
  await saveModel(model, saved, { prompt, dtype: 'float32' });
  const config = JSON.parse(readFileSync(join(saved, 'generation_config.json'), 'utf8'));
  expect(config).toMatchObject({ language: 'de', task: 'translate' });
  expect(trainedPrompt(config)).toEqual(prompt);
  const trainedFor = ['de', 'ja', 'zh', 'en'].map((code) => isTrainedFor(trainedPrompt(config), code));
  expect(trainedFor).toEqual([true, true, false, false]);
});

test('a target that is not named is Chinese only where the manifest has nothing else', async () => {
  const texts = (columns: string) => {
    const path = join(scratch, 'one.tsv');
    writeFileSync(path, `audio\tlang\tset\t${columns}\n${join(scratch, '0.wav')}\ten\ttrain\tHi\t喂\n`);
    return recipeClips(recipeFor({}, [{ manifest: path }]));
  };
  expect((await texts('en\tzh')).targets).toEqual(['zh']);
  expect((await texts('text\ttext_zh')).targets).toEqual(['zh']);
  await expect(texts('text\ttext_de')).rejects.toThrow(/--to: .*one\.tsv has the column text_de$/);
  await expect(recipeClips(recipeFor({}))).rejects.toThrow(
    /expected the language to translate into; .*clips\.tsv has the columns text_de, text_ga, text_ja, text_th, text_zh$/,
  );
});

test.each<[string, object, object[], RegExp]>([
  [
    'a language without texts',
    { target: 'ko' },
    [{ manifest, set: 'train' }],
    /clips\.tsv: found no text in "ko" \(column text_ko\) of these clips; it has the columns text_de, text_ga/,
  ],
  [
    'two forms of Chinese under one token',
    { target: 'zh-Hant' },
    [
      { manifest, set: 'train' },
      { manifest, set: 'train', target: 'zh' },
    ],
    /found zh-Hant and zh, which have the same token <\|zh\|>; expected one of them/,
  ],
  [
    'several targets under a prompt that names none',
    { target: 'de', prompt: 'source-translate' },
    [
      { manifest, set: 'train' },
      { manifest, set: 'train', target: 'ja' },
    ],
    /source-translate: found the targets de, ja; expected a prompt that names one/,
  ],
])('%s is refused in one line', async (_, values, corpora, message) => {
  const error = await recipeClips(recipeFor(values, corpora)).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain('\n');
});

test('Irish needs a token, and has its texts', async () => {
  await expect(dataFor({ target: 'ga' })).rejects.toThrow(/the model has no token for "ga"/);
  const token = { language: 'ga', as: 'en' };
  const irish = await WhisperModel.load(join(scratch, 'model'), { threads: 1, languageToken: token });
  const recipe = recipeFor({ target: 'ga', targetToken: { as: 'en' } });
  const { examples } = await trainingData(irish, recipe, await recipeClips(recipe), {});
  expect(irish.tokens.decode(examples[0]!.tokens.slice(examples[0]!.promptLength))).toBe(TEXTS.ga);
  await irish.close();
});
