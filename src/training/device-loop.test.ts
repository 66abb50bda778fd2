/** The steps of a graphics card, several in the body of a loop, computed on the CPU: what one step after another gives there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Device, HostTensor } from '../backend/runtime.ts';
import { lossDifference, trainOn, weightDifference } from '../testing/device-training.ts';
import { tinyWeights, writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { defaultLora } from './choices.ts';
import { distillation } from './distillation.ts';
import { TEACHER_PREFIX } from './teacher.ts';
import type { TrainingOptions } from './train.ts';

const scratch = mkdtempSync(join(tmpdir(), 'device-loop-'));
let model: WhisperModel;
let untuned: (readonly [string, HostTensor])[];
beforeAll(async () => {
  await writeTinyModel(scratch);
  model = await WhisperModel.load(scratch, { threads: 1 });
  const values = await model.runtime.read(model.weightNames);
  untuned = model.weightNames.map((name, i) => [name, values[i]!] as const);
  const beside = tinyWeights({ ...model.dimensions, decoderLayers: 3 }, 77);
  await model.runtime.store([...beside].map(([name, weight]) => [TEACHER_PREFIX + name, weight]));
});
afterAll(async () => {
  await model?.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** The training loop takes a graphics card's way; the thread computes on the CPU as before. */
async function asOn<T>(device: Device, work: () => Promise<T>): Promise<T> {
  Object.assign(model.runtime, { device });
  try {
    return await work();
  } finally {
    Object.assign(model.runtime, { device: 'cpu' });
  }
}

const inLoop = (options: Partial<TrainingOptions>, pause?: number) =>
  asOn('cuda', () => trainOn(model, options, { untuned, ...(pause && { pause }) }));
const onHost = (options: Partial<TrainingOptions>) => trainOn(model, options, { untuned });

const objective = () =>
  distillation({ dimensions: { ...model.dimensions, decoderLayers: 3 }, bytes: 0 }, model.dimensions.width, {
    divergence: 'kl',
    temperature: 2,
    shares: { labels: 0.4, teacher: 0.6 },
    hidden: { matching: 'dynamic', distance: 'mse' },
    labelSmoothing: 0.1,
  });

const cases: readonly (readonly [string, () => Partial<TrainingOptions>])[] = [
  ['decoder', () => ({ embedding: 'trained' })],
  ['cross-attention', () => ({ part: 'cross-attention' })],
  ['encoder and decoder, recomputed', () => ({ part: 'all', recompute: true, steps: 6 })],
  ['several batches a step', () => ({ accumulate: 3 })],
  ['LoRA', () => ({ lora: { ...defaultLora, rank: 4, alpha: 8 } })],
  ['distillation with hidden states', () => ({ objective: objective(), steps: 8 })],
];

test.each(cases)('%s: losses, terms, norms and weights are those of single steps', async (_, options) => {
  const [host, loop] = [await onHost(options()), await inLoop(options())];
  expect(lossDifference(loop, host)).toBeLessThan(1e-6);
  loop.reports.forEach(({ gradientNorm, terms = {} }, i) => {
    expect(gradientNorm / host.reports[i]!.gradientNorm).toBeCloseTo(1, 5);
    for (const [name, value] of Object.entries(terms))
      expect(value / host.reports[i]!.terms![name]!).toBeCloseTo(1, 5);
  });
  expect(weightDifference(loop.states.at(-1)!, host.states.at(-1)!)).toBeLessThan(1e-5);
  expect(loop.states.at(-1)!.optimizer.steps).toBe(host.reports.length);
  // They learnt: the comparison is not one of what stayed as it was.
  expect(
    weightDifference(loop.states.at(-1)!, { ...loop.states.at(-1)!, weights: initial(loop) }),
  ).toBeGreaterThan(1e-3);

  function initial({ states }: typeof loop): readonly HostTensor[] {
    const known = new Map(untuned);
    return states.at(-1)!.names.map(
      (name, i) =>
        known.get(name) ?? {
          ...states.at(-1)!.weights[i]!,
          data: new Float32Array(states.at(-1)!.weights[i]!.data.length),
        },
    );
  }
});

test('a run goes on from a state of the host in a loop, and from one of a loop on the host', async () => {
  const whole = await onHost({ steps: 12 });
  const begun = await asOn('cuda', () => trainOn(model, { steps: 12 }, { untuned, pause: 5 }));
  expect(begun.states.map(({ step }) => step)).toEqual([5, 10, 12]);
  const state = begun.states[0]!;
  const gone = await onHost({ steps: 12, from: structuredClone(state) });
  expect(gone.reports.map(({ step }) => step)).toEqual([6, 7, 8, 9, 10, 11, 12]);
  expect(weightDifference(gone.states.at(-1)!, whole.states.at(-1)!)).toBeLessThan(1e-5);
  const back = await inLoop({ steps: 12, from: structuredClone(state) });
  expect(weightDifference(back.states.at(-1)!, whole.states.at(-1)!)).toBeLessThan(1e-5);
});
