/** Training that bears 8 or 4 bits: what it sees at the end is what the quantised model computes with. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HostTensor } from '../backend/runtime.ts';
import { UserError } from '../errors.ts';
import { linear } from '../graph/ops.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import { melClip } from '../whisper/mel-batch.ts';
import { WhisperModel } from '../whisper/model.ts';
import { quantize } from '../whisper/quantize.ts';
import { crossEntropyLoss, type LossBuilder } from '../whisper/training-graph.ts';
import { type Example, trainingBatch } from './batches.ts';
import { defaultTraining } from './choices.ts';
import { quantizeFrozen, quantizeWeights, scaledWeights } from './quantization.ts';
import { saveModel } from './save.ts';
import { type TrainingOptions, trainDecoder } from './train.ts';
import { type Tuning, tunedWeights, tuningGraph } from './tuned-weights.ts';

const scratch = mkdtempSync(join(tmpdir(), 'quantization-'));
beforeAll(() => writeTinyModel(join(scratch, 'tiny')));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const training: TrainingOptions = {
  ...defaultTraining,
  part: 'all',
  embedding: 'trained',
  steps: 8,
  batchSize: 2,
  warmupSteps: 1,
  learningRate: 3e-3,
};

const examples: Example[] = [31, 32].map((seed) => ({
  clip: melClip(pseudo(16_000, seed, 0.5), 80, 'fit'),
  tokens: [50258, 50260, 50359, 50363, 100 + seed, 200, 300 + seed, 50257],
  promptLength: 4,
}));

const withLogits: LossBuilder = (predictions) => {
  predictions.graph.output('logits', linear(predictions.hidden, predictions.output));
  return crossEntropyLoss(predictions);
};

async function logits(model: WhisperModel, tuning: Tuning): Promise<Float32Array> {
  const { runtime, dimensions, tokens } = model;
  const program = await runtime.load(tuningGraph(dimensions, tuning, { objective: { loss: withLogits } }), {
    builtIn: () => false,
  });
  await runtime.createAdamW(tunedWeights(dimensions, tuning));
  if (tuning.quantization)
    await runtime.storeRowScales(scaledWeights(dimensions, tuning), tuning.quantization.bits);
  // The silence after the clips does not come from the quantised encoder: the same for both.
  const silence = await tails;
  const { feeds } = trainingBatch(examples as never, silence, tokens.endOfText);
  const { fetched } = await runtime.run(program, feeds, { fetch: ['logits'] });
  await runtime.unload(program);
  await runtime.releaseAdamW();
  return fetched.logits!.data as Float32Array;
}
let tails: ReturnType<WhisperModel['silenceTails']>;

/** Bit for bit: `toEqual` takes seconds for a token embedding. */
const expectSame = (found: readonly HostTensor[], expected: readonly HostTensor[]): void => {
  expect(found.length).toBe(expected.length);
  for (const [i, { data }] of found.entries())
    expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(expected[i]!.data.buffer))).toBe(0);
};

const far = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

test.each([
  8, 4,
] as const)('%d bits: the loss falls, and the quantised saved model has the very logits that training saw', async (bits) => {
  const quantization = { bits };
  const options = { ...training, quantization };
  const model = await WhisperModel.load(join(scratch, 'tiny'));
  await quantizeFrozen(model, options);
  tails = model.silenceTails();
  await tails;
  const reports = await trainDecoder(model, examples, options);
  expect(reports.at(-1)!.loss).toBeLessThan(reports[0]!.loss - 0.5);
  const seen = await logits(model, options);
  const plain = await logits(model, { ...options, quantization: undefined });
  expect(far(seen, plain)).toBeGreaterThan(1e-3);

  const saved = join(scratch, `trained-${bits}`);
  const rounded = join(scratch, `int${bits}`);
  await saveModel(model, saved, { prompt: { target: 'zh', kind: 'target-transcribe' }, dtype: 'float32' });
  await quantize({ model: saved, output: rounded, bits });
  const quantized = await WhisperModel.load(rounded);
  expect(far(await logits(quantized, { ...options, quantization: undefined }), seen)).toBeLessThan(1e-5);

  // For an evaluation on the way: the same weights, and the others back again.
  const back = await quantizeWeights(model, model.weightNames, bits);
  const used = await model.runtime.read(model.weightNames);
  expectSame(used, await quantized.runtime.read(model.weightNames));
  await back();
  expect(far(await logits(model, { ...options, quantization: undefined }), plain)).toBe(0);
  await model.close();
  await quantized.close();
});

test('an evaluation in the middle, or recomputed activations, do not change the training; frozen weights are int8', async () => {
  const run = async (evaluated: boolean, recompute = false) => {
    const model = await WhisperModel.load(join(scratch, 'tiny'));
    const quantization = { bits: 8 as const };
    const tuning = {
      ...training,
      quantization,
      part: 'encoder' as const,
      embedding: 'frozen' as const,
      steps: 2,
    };
    await quantizeFrozen(model, tuning);
    const names = tunedWeights(model.dimensions, tuning);
    await trainDecoder(model, examples, {
      ...tuning,
      recompute,
      onStep: async () => {
        if (evaluated) await (await quantizeWeights(model, names, 8))();
        return undefined;
      },
    });
    const weights = await model.runtime.read(model.weightNames);
    const frozen = model.weightNames.filter((name) => !names.includes(name));
    const before = await model.runtime.read(frozen);
    await quantizeWeights(model, frozen, 8);
    expectSame(await model.runtime.read(frozen), before);
    await model.close();
    return weights;
  };
  const plain = await run(false);
  expectSame(await run(true), plain);
  expectSame(await run(false, true), plain);
});

test('adapters are not what is quantised: refused in one line', async () => {
  const model = await WhisperModel.load(join(scratch, 'tiny'));
  const lora = { rank: 2, alpha: 2, projections: ['q_proj' as const] };
  expect(() =>
    tunedWeights(model.dimensions, { ...training, quantization: { bits: 8 }, embedding: 'frozen', lora }),
  ).toThrow(UserError);
  await model.close();
});
