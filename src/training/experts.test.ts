/** Experts of a language on a tiny random model: trained, kept, resumed, and used where the language is spoken. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decode } from '../decoding/decode.ts';
import { UserError } from '../errors.ts';
import { linear } from '../graph/ops.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { quantize } from '../whisper/quantize.ts';
import { crossEntropyLoss, trainingGraph } from '../whisper/training-graph.ts';
import { trainingBatch } from './batches.ts';
import { defaultTraining } from './choices.ts';
import type { EncodedExample } from './examples.ts';
import { type RunOptions, runTraining } from './run.ts';
import { saveModel } from './save.ts';
import type { StepReport, TrainingOptions } from './train.ts';
import { tunedWeights } from './tuned-weights.ts';

const scratch = mkdtempSync(join(tmpdir(), 'experts-training-'));
const tiny = join(scratch, 'tiny');
let base: WhisperModel;
beforeAll(async () => {
  await writeTinyModel(tiny);
  base = await WhisperModel.load(tiny);
});
afterAll(async () => {
  await base.close();
  rmSync(scratch, { recursive: true, force: true });
});

const FR = 50265;
const clip = (seed: number): EncodedClip => ({
  frames: pseudo(1500 * 16, seed, 3.4),
  window: 1500,
  length: 100,
  width: 16,
});
const examples: EncodedExample[] = [71, 72].map((seed) => ({
  target: 'zh',
  clip: clip(seed),
  tokens: [50258, FR, 50359, 50363, 100 + seed, 200, 300 + seed, 50257],
  promptLength: 4,
}));

const training: TrainingOptions = {
  ...defaultTraining,
  experts: { language: 'fr', gateWidth: 4 },
  steps: 12,
  batchSize: 2,
  warmupSteps: 1,
  learningRate: 3e-2,
};

async function run(output: string, stopAt = training.steps, resume = false, recompute = false) {
  const model = await WhisperModel.load(tiny);
  const reports: StepReport[] = [];
  const save: RunOptions['save'] = (folder) =>
    saveModel(model, folder, { prompt: { target: 'fr', kind: 'target-transcribe' }, dtype: 'float32' });
  const result = await runTraining(model, examples, {
    output: join(scratch, output),
    recipe: '{}\n',
    settings: {},
    training: { ...training, recompute },
    checkpointEvery: 5,
    resume,
    keep: 'last',
    note: () => {},
    onStart: () => {},
    onStep: (report) => {
      reports.push(report);
      return report.step === stopAt ? 'stop' : undefined;
    },
    onEvaluation: () => {},
    save,
  });
  return { model, reports: result.reports };
}

/** Whether weights of two models are the same to the bit. */
async function same(one: WhisperModel, other: WhisperModel, names: readonly string[]): Promise<boolean> {
  const [a, b] = [await one.runtime.read(names), await other.runtime.read(names)];
  return a.every(({ data }, i) => Buffer.from(data.buffer).equals(Buffer.from(b[i]!.data.buffer)));
}

test('the loss falls, the shared weights stay, gates are reported, and a resumed run ends the same to the bit, with activations recomputed or not', async () => {
  const whole = await run('whole');
  const losses = whole.reports.map(({ loss }) => loss);
  expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.5);
  expect(whole.reports[0]!.terms!.gate).toBeGreaterThan(0);
  const names = base.weightNames;
  expect(await same(whole.model, base, names)).toBe(true);

  await (await run('halves', 5, false, true)).model.close();
  const halves = await run('halves', training.steps, true);
  const own = tunedWeights(halves.model.dimensions, training);
  expect(await same(halves.model, whole.model, own)).toBe(true);
  expect(halves.reports.map(({ loss }) => loss)).toEqual(losses);
  await halves.model.close();
  await whole.model.close();
  // All steps made already: what is saved again has the experts, too.
  const saved = readFileSync(join(scratch, 'halves/experts/fr.safetensors'));
  await (await run('halves', training.steps, true)).model.close();
  expect(readFileSync(join(scratch, 'halves/experts/fr.safetensors')).equals(saved)).toBe(true);
});

test('kept beside the model, float16; the clip’s language decides who decodes; files travel with quantize', async () => {
  const model = await WhisperModel.load(join(scratch, 'whole'));
  expect([...model.experts.keys()]).toEqual(['fr']);
  const prompts = examples.map(({ tokens }) => tokens.slice(0, 4));
  const clips = examples.map((one) => one.clip);
  const options = { prompts, maxTokens: 6 };
  const told = (results: Awaited<ReturnType<typeof decode>>) =>
    results.map(({ tokens, logProbabilities }) => ({ tokens, logProbabilities }));
  const plain = told(await decode(base, clips, options));
  const expert = told(await decode(model, clips, options));
  expect(expert).not.toEqual(plain);
  expect(told(await decode(model, clips, { ...options, experts: false }))).toEqual(plain);
  expect(told(await decode(model, clips, { ...options, languages: [undefined, 'de'] }))).toEqual(plain);
  const mixed = told(await decode(model, clips, { ...options, languages: ['de', 'fr'] }));
  expect(mixed[0]).toEqual(
    told(await decode(base, clips.slice(0, 1), { ...options, prompts: prompts.slice(0, 1) }))[0],
  );
  expect(mixed[1]!.tokens).toEqual(expert[1]!.tokens);
  const beams = await decode(model, clips, { ...options, beams: 3 });
  expect(beams.map(({ tokens }) => tokens)).not.toEqual(
    (await decode(base, clips, { ...options, beams: 3 })).map(({ tokens }) => tokens),
  );
  // All gates closed: |v·x| · −1 is below 0 for every x. Then the texts are the base's to the bit.
  const { width, decoderLayers } = model.dimensions;
  const v = pseudo(width, 5, 1);
  const both = Float32Array.from(
    { length: 4 * width },
    (_, i) => (i < width ? 1 : i < 2 * width ? -1 : 0) * v[i % width]!,
  );
  for (let layer = 0; layer < decoderLayers; layer++) {
    const gate = `experts.fr.model.decoder.layers.${layer}.gate`;
    await model.runtime.store([
      [`${gate}.fc1.weight`, { shape: [4, width], data: both.slice() }],
      [`${gate}.fc2.weight`, { shape: [1, 4], data: new Float32Array(4).fill(-1) }],
    ]);
  }
  await model.decoderChanged();
  expect(told(await decode(model, clips, options))).toEqual(plain);
  await model.close();

  await quantize({ model: join(scratch, 'whole'), output: join(scratch, 'int8') });
  const quantized = await WhisperModel.load(join(scratch, 'int8'));
  expect([...quantized.experts.keys()]).toEqual(['fr']);
  await quantized.close();
});

test('decoding step by step gives the logits of the training graph with hard gates', async () => {
  const model = await WhisperModel.load(join(scratch, 'whole'));
  const { runtime, dimensions, tokens } = model;
  const graph = trainingGraph(dimensions, [], {
    variant: { experts: { language: 'fr', part: 'decoder', gateWidth: 4, gate: 'hard' } },
    loss: (predictions) => {
      predictions.graph.output('logits', linear(predictions.hidden, predictions.output));
      return crossEntropyLoss(predictions);
    },
  });
  const prompts = examples.map((one) => one.tokens.slice(0, 4));
  const decoded = await decode(
    model,
    examples.map((one) => one.clip),
    { prompts, maxTokens: 5 },
  );
  // The decoded texts, forced: each token has the log probability that decoding gave it, among the tokens that may come.
  const forced = examples.map((one, i) => ({
    ...one,
    tokens: [...prompts[i]!, ...decoded[i]!.tokens, tokens.endOfText],
  }));
  const program = await runtime.load(graph, { builtIn: () => false });
  const { feeds } = trainingBatch(forced, undefined, tokens.endOfText);
  const { fetched } = await runtime.run(program, feeds, { fetch: ['logits'] });
  const logits = fetched.logits!.data as Float32Array;
  const { generationConfig } = model.settings;
  const never = new Set(generationConfig.suppress_tokens as number[]);
  const first = new Set(generationConfig.begin_suppress_tokens as number[]);
  let row = 0;
  for (const [i, one] of forced.entries()) {
    for (const [k, id] of one.tokens.slice(4).entries()) {
      const own = logits.subarray(row * dimensions.vocabulary, (row + 1) * dimensions.vocabulary);
      row++;
      if (k >= decoded[i]!.logProbabilities.length) continue;
      let total = 0;
      for (const [token, value] of own.entries())
        if (!never.has(token) && !(k === 0 && first.has(token))) total += Math.exp(value);
      expect(own[id]! - Math.log(total)).toBeCloseTo(decoded[i]!.logProbabilities[k]!, 4);
    }
  }
  expect(row).toBeGreaterThan(4);
  await model.close();
});

test('experts of another width, or something else to tune with them: one line', async () => {
  cpSync(join(scratch, 'whole/experts'), join(tiny, 'experts'), { recursive: true });
  const model = await WhisperModel.load(tiny);
  rmSync(join(tiny, 'experts'), { recursive: true });
  const { createExperts } = await import('./experts.ts');
  await expect(createExperts(model, { language: 'fr', part: 'decoder', gateWidth: 8 }, 1)).rejects.toThrow(
    UserError,
  );
  for (const more of [
    { part: 'cross-attention' as const },
    { embedding: 'trained' as const },
    { quantization: { bits: 8 as const } },
  ])
    expect(() => tunedWeights(model.dimensions, { ...training, ...more })).toThrow(UserError);
  await model.close();
});
