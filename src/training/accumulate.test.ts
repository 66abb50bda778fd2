/** Gradient accumulation: n batches are one batch of n times as many clips; a run goes on to the bit. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { readManifest } from '../data/manifest.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { TrainingState } from './checkpoints.ts';
import { defaultTraining } from './choices.ts';
import { type EncodedExample, translationExamples } from './examples.ts';
import { restoreWeights, type TrainingOptions, trainDecoder } from './train.ts';
import { tunedWeights } from './tuned-weights.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'accumulate-'));
let model: WhisperModel;
let examples: EncodedExample[];
let untuned: Pick<TrainingState, 'names' | 'weights'>;

beforeAll(async () => {
  await writeTinyModel(scratch);
  // In two threads: none may add in another order.
  model = await WhisperModel.load(scratch, { threads: 2 });
  const manifest = await readManifest(path('../../samples/manifest.tsv'));
  const clips = manifest.filter(({ language, set }) => language === 'en' && set === 'train').slice(0, 4);
  const encoded = await model.encode(await Promise.all(clips.map(({ audio }) => readAudio(audio))), 'fit');
  const prompt = model.tokens.prompt('zh', 'transcribe');
  const pairs = clips.map((clip, i) => ({ clip, encoded: encoded[i]! }));
  examples = translationExamples(model, pairs, { target: 'zh', promptOf: () => prompt });
  // Texts of unlike lengths: a mean of the batches' means would be another gradient.
  const { tokens, promptLength } = examples[0]!;
  examples[0] = { ...examples[0]!, tokens: [...tokens.slice(0, promptLength + 1), model.tokens.endOfText] };
  const names = tunedWeights(model.dimensions, { part: 'cross-attention', embedding: 'frozen' });
  untuned = { names, weights: await model.runtime.read(names) };
});
afterAll(async () => {
  await model?.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** @returns the state after each step */
async function run(changed: Partial<TrainingOptions>) {
  const copies = untuned.weights.map(({ data, ...rest }) => ({ ...rest, data: data.slice() }));
  await restoreWeights(model, { ...untuned, weights: copies });
  const states: TrainingState[] = [];
  const reports = await trainDecoder(model, examples, {
    ...defaultTraining,
    part: 'cross-attention',
    steps: 3,
    batchSize: 2,
    accumulate: 2,
    warmupSteps: 1,
    onStep: async (_, { state }) => {
      states.push(await state());
      return undefined;
    },
    ...changed,
  });
  return { states, reports };
}

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

test('two batches of two clips make the step of one batch of four', async () => {
  const whole = await run({ batchSize: 4, accumulate: 1, steps: 1 });
  const parts = await run({ steps: 1 });
  const [one] = whole.reports;
  const [two] = parts.reports;
  expect(two!.loss).toBeCloseTo(one!.loss, 5);
  expect(two!.gradientNorm / one!.gradientNorm).toBeCloseTo(1, 5);
  expect([two!.tokens, two!.size.clips]).toEqual([one!.tokens, 4]);
  // After one step AdamW's mean is a tenth of the clipped gradient.
  const means = whole.states[0]!.optimizer.means;
  parts.states[0]!.optimizer.means.forEach((values, i) => {
    const difference = norm(values.map((value, k) => value - means[i]![k]!));
    expect(difference / norm(means[i]!), untuned.names[i]).toBeLessThan(1e-4);
  });
});

test('a run resumed after its second step ends as an uninterrupted one, to the bit; so does one that recomputes', async () => {
  const { states } = await run({});
  const whole = states.at(-1)!;
  const resumed = (await run({ from: states[1]! })).states.at(-1)!;
  expect(resumed.step).toBe(3);
  const recomputed = (await run({ recompute: true })).states.at(-1)!;
  for (const other of [resumed, recomputed]) {
    expect(other.optimizer.steps).toBe(3);
    other.weights.forEach(({ data }, i) => {
      expect(
        Buffer.from(data.buffer).equals(Buffer.from(whole.weights[i]!.data.buffer)),
        untuned.names[i],
      ).toBe(true);
    });
  }
});
