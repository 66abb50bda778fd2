/** A new language token in training: its row moves though the embedding is frozen, and a run that is resumed ends alike. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import { LANGUAGE_ROW, TOKEN_EMBEDDING } from '../whisper/decoder.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { defaultTraining } from './choices.ts';
import { evaluateDevSet } from './dev-evaluation.ts';
import type { EncodedExample } from './examples.ts';
import { estimateMemory } from './memory-estimate.ts';
import { runTraining } from './run.ts';
import { saveModel } from './save.ts';
import type { TrainingOptions } from './train.ts';
import { tunedWeights } from './tuned-weights.ts';

const scratch = mkdtempSync(join(tmpdir(), 'language-row-'));
const base = join(scratch, 'base');
const languageToken = { language: 'ga', mean: ['cy', 'en'] };
const training: TrainingOptions = {
  ...defaultTraining,
  steps: 6,
  batchSize: 2,
  warmupSteps: 1,
  learningRate: 1e-2,
  languageRow: true,
};

beforeAll(() => writeTinyModel(base));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function examplesOf(model: WhisperModel): Promise<EncodedExample[]> {
  const encoded = await model.encode(
    [1, 2, 3].map((seed) => pseudo(8_000 * seed, seed, 0.8)),
    'fit',
  );
  return encoded.map((clip, i) => {
    const target = i === 2 ? 'cy' : 'ga';
    const prompt = model.tokens.prompt(target, 'transcribe');
    const text = model.tokens.encode(['Dia duit', 'Slán', 'Bore da'][i]!);
    return {
      clip,
      tokens: [...prompt, ...text, model.tokens.endOfText],
      promptLength: prompt.length,
      target,
    };
  });
}

interface Run {
  readonly stopAt?: number;
  readonly resume?: boolean;
  readonly changed?: Partial<TrainingOptions>;
}

/** Trains, or goes on, in a folder, and gives what the run's evaluations said. */
const train = (output: string, { stopAt, resume = false, changed = {} }: Run = {}) =>
  withModel(WhisperModel.load(base, { languageToken, threads: 1 }), async (model) => {
    const examples = await examplesOf(model);
    const { evaluations } = await runTraining(model, examples, {
      output: join(scratch, output),
      recipe: '{}\n',
      settings: {},
      training: { ...training, ...changed },
      checkpointEvery: 2,
      resume,
      devSet: { examples, every: 3, best: 'loss' },
      keep: 'last',
      note: () => {},
      onStart: () => {},
      onStep: ({ step }) => (step === stopAt ? 'stop' : undefined),
      onEvaluation: () => {},
      save: (folder) =>
        saveModel(model, folder, {
          prompt: { target: 'ga', kind: 'target-transcribe' },
          dtype: 'float32',
        }),
    });
    return evaluations.map(({ loss }) => loss);
  });

/** The embedding of a saved model: of Whisper's tokens, and of the new one. */
const embedding = (directory: string) =>
  withModel(WhisperModel.load(directory, { threads: 1 }), async (model) => {
    const data = (await model.runtime.read([TOKEN_EMBEDDING]))[0]!.data as Float32Array;
    return { others: Buffer.from(data.slice(0, 16 * 51_865).buffer), row: [...data.slice(16 * 51_865)] };
  });

test('the row is trained and merged, all other rows stay, and a resumed run ends with the same bytes', async () => {
  await train('whole');
  const whole = await embedding(join(scratch, 'whole'));
  expect(whole.others.equals((await embedding(base)).others)).toBe(true);
  const first = await withModel(WhisperModel.load(base, { languageToken, threads: 1 }), async (model) =>
    ((await model.runtime.read([TOKEN_EMBEDDING]))[0]!.data as Float32Array).slice(-16),
  );
  const moved = whole.row.map((value, i) => Math.abs(value - first[i]!));
  expect(Math.min(...moved)).toBeGreaterThan(1e-3);
  expect(Math.max(...moved)).toBeLessThan(0.1);

  await train('resumed', { stopAt: 4 });
  await train('resumed', { resume: true });
  const weights = (output: string) => readFileSync(join(scratch, output, 'model.safetensors'));
  expect(weights('resumed').equals(weights('whole'))).toBe(true);
});

test('what a run evaluates is what it saves: with adapters and with rounding, too', async () => {
  const variants: Partial<TrainingOptions>[] = [
    {},
    { lora: { rank: 2, alpha: 4, projections: ['q_proj'] } },
    { quantization: { bits: 8 } },
  ];
  for (const [i, changed] of variants.entries()) {
    const losses = await train(`variant-${i}`, { changed });
    expect(losses).toHaveLength(2);
    expect(losses[1]).toBeLessThan(losses[0]!);
    const saved = await withModel(
      WhisperModel.load(join(scratch, `variant-${i}`), { threads: 1 }),
      async (model) => (await evaluateDevSet(model, await examplesOf(model), { step: 6 })).loss,
    );
    // The saved weights are rounded only by `quantize`.
    expect(saved).toBeCloseTo(losses[1]!, changed.quantization ? 1 : 5);
  }
});

test('a trained embedding needs no weight beside it; the memory estimate counts the row', async () => {
  await withModel(WhisperModel.load(base, { languageToken, threads: 1 }), async (model) => {
    const names = (changed: Partial<TrainingOptions>) =>
      tunedWeights(model.dimensions, { ...training, ...changed });
    expect(names({})).toContain(LANGUAGE_ROW);
    expect(names({ part: 'cross-attention' })).toContain(LANGUAGE_ROW);
    expect(names({ languageRow: false })).not.toContain(LANGUAGE_ROW);
    expect(names({ embedding: 'trained' })).not.toContain(LANGUAGE_ROW);
    const examples = await examplesOf(model);
    const optimizer = async (languageRow: boolean) =>
      (await estimateMemory(model, examples, { ...training, languageRow })).optimizer;
    expect((await optimizer(true)) - (await optimizer(false))).toBe(12 * 16);
  });
});
