/** Runs that go wrong or end early: skipped steps, nothing learnt, patience, the best step's weights. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { readManifest } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { tinyDimensions, writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { readCheckpointOf } from './checkpoints.ts';
import { defaultTraining } from './choices.ts';
import { type EncodedExample, translationExamples } from './examples.ts';
import { estimateMemory, totalBytes } from './memory-estimate.ts';
import { type RunOptions, runTraining } from './run.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'training-run-'));
const name = 'model.decoder.layers.0.encoder_attn.v_proj.weight';
let model: WhisperModel;
let examples: EncodedExample[];

beforeAll(async () => {
  await writeTinyModel(join(scratch, 'tiny'));
  model = await WhisperModel.load(join(scratch, 'tiny'));
  const manifest = await readManifest(path('../../samples/manifest.tsv'));
  const clips = manifest.filter(({ language, set }) => language === 'en' && set === 'train').slice(0, 3);
  const encoded = await model.encode(await Promise.all(clips.map(({ audio }) => readAudio(audio))), 'fit');
  const prompt = model.tokens.prompt('zh', 'transcribe');
  const pairs = clips.map((clip, i) => ({ clip, encoded: encoded[i]! }));
  examples = translationExamples(model, pairs, { target: 'zh', promptOf: () => prompt });
});
afterAll(async () => {
  await model.close();
  rmSync(scratch, { recursive: true, force: true });
});

const broken = (): EncodedExample => {
  const { clip, ...rest } = examples[0]!;
  return { ...rest, clip: { ...clip, frames: new Float32Array(clip.window * clip.width).fill(Number.NaN) } };
};
const weight = async () => (await model.runtime.read([name]))[0]!.data;
const optionsOf = (output: string, changed: Partial<RunOptions> = {}): RunOptions => ({
  output: join(scratch, output),
  recipe: '{}\n',
  settings: { steps: 4 },
  training: { ...defaultTraining, steps: 12, batchSize: 1, warmupSteps: 1, learningRate: 1e-4 },
  checkpointEvery: 100,
  resume: false,
  keep: 'last',
  note: () => {},
  onStart: () => {},
  onStep: () => undefined,
  onEvaluation: () => {},
  save: async () => {},
  ...changed,
});
const lines = (output: string) =>
  readFileSync(join(scratch, output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('a step that is not finite changes nothing and is counted; ten in a row end the run, and the batch is kept', async () => {
  const before = await weight();
  const error = await runTraining(model, [broken()], optionsOf('broken')).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(/^step 10: .* 10 times in a row; the last batch is in .*\.json\./);
  expect(await weight()).toEqual(before);
  const file = join(scratch, 'broken', 'not-finite-step-10.json');
  const { audio, translations } = examples[0]!.source!;
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
    step: 10,
    clips: [{ audio, text: translations.zh }],
  });
  expect(lines('broken')).toHaveLength(10);
  expect(lines('broken')[0]).toMatchObject({ step: 1, loss: null, skipped: true });
});

test('patience: the run ends when nothing gets better, and the best weights are those that are saved', async () => {
  // Nothing of this can be said with the target vocabulary: no evaluation is better than the first.
  const { tokens, promptLength, source, ...speech } = examples[0]!;
  const [unknown] = model.tokens.encode('Ж');
  const unsayable = {
    ...speech,
    tokens: [...tokens.slice(0, promptLength), unknown!, model.tokens.endOfText],
    promptLength,
    source: { ...source!, translations: { zh: 'Ж' } },
  };
  const known = new Set(examples.flatMap((one) => one.tokens.slice(one.promptLength, -1)));
  const options = optionsOf('patience', {
    keep: 'best',
    devSet: { examples: [unsayable], every: 1, patience: 2, best: 'bleu' },
    save: async (folder) => {
      mkdirSync(folder);
      writeFileSync(
        join(folder, 'config.json'),
        JSON.stringify([...(await weight()).slice(0, 9)].map(Number)),
      );
    },
  });
  const vocabulary = { source: 'test', words: [...known].sort((a, b) => a - b) };
  const result = await runTraining(model, examples, {
    ...options,
    training: { ...options.training, vocabulary },
  });
  expect(result.evaluations.map(({ step, bleu, loss }) => [step, bleu, loss])).toEqual(
    [1, 2, 3].map((step) => [step, 0, Number.NaN]),
  );
  expect(result.saved).toBe(1);
  const checkpoints = join(scratch, 'patience', 'checkpoints');
  const at = async (step: number) => {
    const { names, weights } = await readCheckpointOf(checkpoints, step);
    return weights[names.indexOf(name)]!.data;
  };
  expect(await weight()).toEqual(await at(1));
  expect(await weight()).not.toEqual(await at(3));
  expect(JSON.parse(readFileSync(join(scratch, 'patience', 'config.json'), 'utf8'))).toEqual([
    ...(await at(1)).slice(0, 9),
  ]);
  expect(lines('patience').filter(({ devLoss }) => devLoss !== undefined)).toHaveLength(3);
  const html = readFileSync(join(scratch, 'patience', 'report.html'), 'utf8');
  expect(html).toMatch(/Dev BLEU.*Dev chrF/s);
  expect(html).not.toMatch(/https?:|<script/);
});

test('clips count as far as they are held', async () => {
  const training = { ...defaultTraining, steps: 1, batchSize: 1 };
  const clips = async (held?: number) => (await estimateMemory(model, examples, training, held)).clips;
  const all = await clips();
  expect(all).toBeGreaterThan(1);
  expect(await clips(all - 1)).toBe(all - 1);
});

test('batches of several lengths take more than one batch of all clips', async () => {
  const needs = (batchSize: number, accumulate = 1) =>
    estimateMemory(model, examples, { ...defaultTraining, steps: 1, batchSize, accumulate });
  const [one, all, steps] = [await needs(1), await needs(examples.length), await needs(1, examples.length)];
  expect(one.program).toBeGreaterThan(all.program);
  expect(steps.program).toBe(all.program);
  // The same batch, the longest clip, with and without others.
  expect(one.batch).toEqual(steps.batch);
  expect(one.activations).toBeGreaterThan(1.2 * steps.activations);
});

test('what is needed grows with the batch and with what is trained', async () => {
  const needs = (batchSize: number, embedding: 'frozen' | 'trained') =>
    estimateMemory(model, examples, { ...defaultTraining, steps: 1, batchSize, embedding });
  const one = await needs(1, 'frozen');
  expect((await needs(2, 'frozen')).activations).toBeGreaterThan(1.5 * one.activations);
  // The embedding's weights more, each with a gradient and two moments.
  const { vocabulary, width } = tinyDimensions;
  expect((await needs(1, 'trained')).optimizer - one.optimizer).toBe(12 * vocabulary * width);
  expect(totalBytes(one)).toBeGreaterThan(one.program + one.weights + one.optimizer + one.activations);
});
