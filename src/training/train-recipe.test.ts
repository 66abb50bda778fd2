/** `train` as code calls it: a recipe in short, an abort in the middle and a resumption, mistakes. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { train } from './train-recipe.ts';

const folder = mkdtempSync(join(tmpdir(), 'train-'));
const samples = fileURLToPath(new URL('../../samples/gcompris/en', import.meta.url));
const [model, data] = [join(folder, 'model'), join(folder, 'clips.tsv')];
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  await writeTinyModel(model);
  const rows = ['algebra_by', 'colors', 'maze', 'money'].map((key, i) =>
    [join(samples, `${key}.opus`), 'en', i < 3 ? 'train' : 'dev', `Satz ${key}`].join('\t'),
  );
  writeFileSync(data, ['audio\tlang\tset\ttext_de', ...rows].join('\n'));
});

const short = (output: string) => ({
  ...{ data, model, set: 'train', from: 'en', to: 'de', steps: 4 },
  optimizer: { batchSize: 2 },
  dev: { set: 'dev', every: 2 },
  output: join(folder, output),
});

test('a recipe in short becomes a model; steps, evaluations and stages are reported', async () => {
  const steps: number[] = [];
  const evaluations: number[] = [];
  const stages = new Set<string>();
  const result = await train(short('whole'), {
    onStep: ({ step }) => steps.push(step),
    onEvaluation: ({ step }) => evaluations.push(step),
    onProgress: ({ stage }) => stages.add(stage),
  });
  expect(result).toMatchObject({ model: join(folder, 'whole'), examples: 3, steps: 4, skipped: 0 });
  expect(result.loss).toBeGreaterThan(0);
  expect(steps).toEqual([1, 2, 3, 4]);
  expect(evaluations).toEqual([2, 4]);
  expect(result.evaluations.map(({ step }) => step)).toEqual(evaluations);
  expect(stages).toEqual(new Set(['reading lengths', 'reading lengths of the dev set', 'training']));
  const kept = JSON.parse(readFileSync(join(result.model, 'recipe.json'), 'utf8'));
  expect(kept).toMatchObject({ target: 'de', data: { corpora: [{ set: 'train', language: 'en' }] } });
  const target = await withModel(WhisperModel.load(result.model), async ({ settings }) => settings);
  expect(JSON.stringify(target.generationConfig)).toContain('de');
});

test('an aborted run rejects at once, leaves a checkpoint and no model, and resumes to the same weights', async () => {
  const recipe = short('aborted');
  const controller = new AbortController();
  const aborted = train(recipe, {
    signal: controller.signal,
    onStep: ({ step }) => {
      // In the middle of the next step.
      if (step === 2) setTimeout(() => controller.abort(new Error('enough')));
    },
  });
  await expect(aborted).rejects.toThrow('enough');
  const result = await train(recipe, { resume: true });
  expect(result.steps).toBe(4);
  const [first, second] = ['whole', 'aborted'].map((name) =>
    readFileSync(join(folder, name, 'model.safetensors')),
  );
  expect(second!.equals(first!)).toBe(true);
});

test('an abort before the first step leaves no checkpoint and no model', async () => {
  const output = join(folder, 'early');
  const signal = AbortSignal.abort(new Error('never mind'));
  await expect(train(short('early'), { signal })).rejects.toThrow('never mind');
  expect(existsSync(output)).toBe(false);
});

test('mistakes name the key, and nothing is left behind', async () => {
  const before = readdirSync(folder);
  const output = join(folder, 'none');
  await expect(train({ data: 'none.tsv', output })).rejects.toThrow('none.tsv');
  await expect(train({ ...short('none'), steps: 0.5 })).rejects.toThrow('steps: found 0.5; expected a whole');
  await expect(train({ ...short('none'), to: 'fr' })).rejects.toThrow('text_de');
  await expect(train(join(folder, 'none.json'))).rejects.toThrow('found no such file');
  expect(readdirSync(folder)).toEqual(before);
});
