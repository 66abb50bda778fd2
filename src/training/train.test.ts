/** Training on the embedded model: it learns, it repeats itself bit by bit, and what it saves says how to use it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { encodeFiles } from '../features/encoded-clips.ts';
import { WhisperModel } from '../whisper/model.ts';
import { trainingBatch } from './batches.ts';
import { defaultTraining } from './choices.ts';
import { translationExamples } from './examples.ts';
import { scheduledRate } from './loop.ts';
import { saveModel } from './save.ts';
import { trainDecoder } from './train.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const directory = path('../../models/whisper-base-int8');
const scratch = mkdtempSync(join(tmpdir(), 'whisper-transfer-'));
let clips: Clip[];

beforeAll(async () => {
  const manifest = await readManifest(path('../../samples/manifest.tsv'));
  clips = manifest.filter(({ language, set }) => language === 'en' && set === 'train').slice(0, 8);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Six steps on eight clips, in two threads: none may add in another order. Returns the losses and a trained weight. */
async function run(seed: number, { save, steps = 6 }: { save?: string; steps?: number } = {}) {
  const model = await WhisperModel.load(directory, { threads: 2 });
  try {
    const files = clips.map(({ audio }) => audio);
    const encoded = await encodeFiles(model, files, { window: 'fit', cache: join(scratch, 'cache') });
    const prompt = model.tokens.prompt('zh', 'transcribe');
    const pairs = clips.map((clip, i) => ({ clip, encoded: encoded[i]! }));
    const examples = translationExamples(model, pairs, { target: 'zh', promptOf: () => prompt });
    const options = { ...defaultTraining, steps, batchSize: 4, warmupSteps: 1, learningRate: 1e-4, seed };
    const reports = await trainDecoder(model, examples, options);
    const name = 'model.decoder.layers.3.encoder_attn.v_proj.weight';
    const [weight, encoder] = await model.runtime.read([name, 'model.encoder.layers.0.fc1.weight']);
    if (save)
      await saveModel(model, save, { prompt: { target: 'zh', kind: 'target-transcribe' }, dtype: 'float16' });
    return { losses: reports.map(({ loss }) => loss), weight: weight!.data, encoder: encoder!.data };
  } finally {
    await model.close();
  }
}

test('two runs with one seed are bit-identical, cached encoder outputs or not; another seed differs; the loss falls', async () => {
  const saved = join(scratch, 'model');
  const first = await run(1, { save: saved });
  const second = await run(1);
  expect(second.losses).toEqual(first.losses);
  expect(Buffer.from(second.weight.buffer).equals(Buffer.from(first.weight.buffer))).toBe(true);
  // A seed whose first batch is another.
  expect((await run(5, { steps: 1 })).losses[0]).not.toBe(first.losses[0]);
  expect(first.losses.at(-1)!).toBeLessThan(first.losses[0]! - 0.3);

  const model = await WhisperModel.load(saved);
  const { language, task } = model.settings.generationConfig;
  const [encoder] = await model.runtime.read(['model.encoder.layers.0.fc1.weight']);
  await model.close();
  expect({ language, task }).toEqual({ language: 'zh', task: 'transcribe' });
  // The encoder is what it was, to the rounding of float16.
  encoder!.data.forEach((value, i) => {
    if (Math.abs(Number(value) - Number(first.encoder[i])) > 1e-3)
      throw new Error(`encoder weight ${i} changed`);
  });
});

test('padding never counts in the loss, the first end of text does', () => {
  const clip = { frames: new Float32Array(16), window: 2, length: 2, width: 8 };
  const end = 9;
  const examples = [
    { clip, tokens: [1, 2, 3, 4, 5, end], promptLength: 2 },
    { clip, tokens: [1, 2, 3, end], promptLength: 2 },
  ];
  const { feeds, tokens } = trainingBatch(examples, undefined, end);
  // Shifted by one: from the last prompt token on, up to and with the end of text.
  expect([...feeds.rows!.data].map(Number)).toEqual([1, 2, 3, 4, 6, 7]);
  expect([...feeds.labels!.data].map(Number)).toEqual([3, 4, 5, end, 3, end]);
  expect([...feeds.weights!.data].reduce<number>((sum, w) => sum + Number(w), 0)).toBeCloseTo(1, 6);
  expect(tokens).toBe(6);
});

test('the step size rises linearly, then falls linearly to (nearly) nothing', () => {
  const options = { ...defaultTraining, steps: 10, warmupSteps: 2, learningRate: 1 };
  const rates = Array.from({ length: 10 }, (_, i) => scheduledRate(i + 1, options));
  expect(rates.slice(0, 3)).toEqual([0.5, 1, 1]);
  expect(rates.at(-1)).toBeCloseTo(1 / 8);
  for (let i = 3; i < 10; i++) expect(rates[i]!).toBeLessThan(rates[i - 1]!);
});
