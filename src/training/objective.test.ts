/** The seam: what an objective brings (terms, feeds, weights of its own) reaches the step, its report and its checkpoint. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { float32 } from '../backend/runtime.ts';
import { readFileEntries } from '../checkpoint/safetensors.ts';
import { add, mul, reshape, scale, sum } from '../graph/ops.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { crossEntropyLoss } from '../whisper/training-graph.ts';
import type { Example } from './batches.ts';
import { defaultTraining } from './choices.ts';
import type { Objective } from './objective.ts';
import { type RunOptions, runTraining } from './run.ts';
import { saveModel } from './save.ts';
import type { StepReport } from './train.ts';

const scratch = mkdtempSync(join(tmpdir(), 'objective-'));
let model: WhisperModel;
beforeAll(async () => {
  await writeTinyModel(join(scratch, 'tiny'));
  model = await WhisperModel.load(join(scratch, 'tiny'));
});
afterAll(async () => {
  await model.close();
  rmSync(scratch, { recursive: true, force: true });
});

const example: Example = {
  clip: {
    frames: Float32Array.from({ length: 10 * 16 }, (_, i) => Math.sin(i)),
    window: 1500,
    length: 10,
    width: 16,
  },
  tokens: [50258, 50260, 50359, 50363, 100, 200, 50257],
  promptLength: 4,
};

/** Cross-entropy, and pull · (own − step)² for a weight of its own. */
const pulled: Objective = {
  loss: (predictions) => {
    const { graph } = predictions;
    const { loss } = crossEntropyLoss(predictions);
    const own = graph.parameter('pulled.own', [2]);
    const difference = add(own, graph.input('pulled.negativeStep', [1]));
    const distance = reshape(sum(mul(difference, difference), [0]), []);
    return { loss: add(loss, scale(distance, 0.5)), metrics: { crossEntropy: loss, distance } };
  },
  feeds: ({ step }) => ({ 'pulled.negativeStep': float32(Float32Array.of(-step), [1]) }),
  weights: [{ name: 'pulled.own', shape: [2], initial: (random) => Float32Array.of(7, random() / 2 ** 32) }],
};

test('metrics are reported, feeds know the step, auxiliary weights are trained, kept in checkpoints, and repeat', async () => {
  const options = (output: string, steps: number, resume = false): RunOptions => ({
    output: join(scratch, output),
    recipe: '{}\n',
    settings: {},
    training: {
      ...defaultTraining,
      part: 'cross-attention',
      steps,
      batchSize: 1,
      warmupSteps: 1,
      learningRate: 1e-3,
      objective: pulled,
    },
    checkpointEvery: 1,
    resume,
    keep: 'last',
    note: () => {},
    onStart: () => {},
    onStep: () => undefined,
    onEvaluation: () => {},
    save: (folder) =>
      saveModel(model, folder, { prompt: { target: 'zh', kind: 'target-transcribe' }, dtype: 'float32' }),
  });
  const before = await model.runtime.read(model.weightNames);
  const run = async (folder: string): Promise<[readonly StepReport[], number[]]> => {
    await model.runtime.store(
      model.weightNames.map((name, i) => [
        name,
        { ...before[i]!, data: (before[i]!.data as Float32Array).slice() },
      ]),
    );
    const { reports } = await runTraining(model, [example], options(folder, 2));
    const [own] = await model.runtime.read(['pulled.own']);
    return [reports, [...(own!.data as Float32Array)]];
  };
  const [reports, own] = await run('first');
  const [first, second] = reports.map(({ terms }) => terms!);
  expect(own[0]).toBeLessThan(7);
  expect(own[0]).toBeGreaterThan(6.99);
  expect(own[1]).toBeGreaterThan(0);
  for (const { loss, terms } of reports) {
    expect(loss).toBeCloseTo(terms!.crossEntropy! + 0.5 * terms!.distance!, 4);
  }
  // (7 − 1)² + (own − 1)², then (7 − 2)² + (own − 2)².
  expect(first!.distance).toBeGreaterThan(36);
  expect(first!.distance).toBeLessThan(37);
  expect(second!.distance).toBeGreaterThan(25.9);
  expect(second!.distance).toBeLessThan(29);
  const [again, ownAgain] = await run('second');
  expect([again.map(({ terms }) => terms), ownAgain]).toEqual([reports.map(({ terms }) => terms), own]);

  const lines = readFileSync(join(scratch, 'first', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  expect(JSON.parse(lines[1]!).terms).toEqual(second);
  expect(readFileSync(join(scratch, 'first', 'report.html'), 'utf8')).toContain('Training loss: distance');
  // From its checkpoint, whatever the weight has become since.
  await model.runtime.store([['pulled.own', { shape: [2], data: Float32Array.of(0, 0) }]]);
  await runTraining(model, [example], options('first', 2, true));
  expect([...((await model.runtime.read(['pulled.own']))[0]!.data as Float32Array)]).toEqual(own);
  const saved = await readFileEntries(join(scratch, 'first', 'model.safetensors'));
  expect(saved.map(({ name }) => name)).not.toContain('pulled.own');
});
