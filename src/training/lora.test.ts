/** Real steps on the embedded model: what is tuned changes, all else stays; adapters merge, and come out again. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import type { ReadyClip } from '../whisper/lazy.ts';
import { melBatch, melClip } from '../whisper/mel-batch.ts';
import { WhisperModel } from '../whisper/model.ts';
import { trainingBatch } from './batches.ts';
import { translationExamples } from './examples.ts';
import { createLora, mergeLora, saveLora } from './lora.ts';
import { type Tuning, tunedWeights, tunesEncoder, tuningAdapters, tuningGraph } from './tuned-weights.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'whisper-transfer-'));
const CROSS = 'model.decoder.layers.2.encoder_attn.v_proj.weight';
const SELF = 'model.decoder.layers.2.self_attn.v_proj.weight';
const ENCODER = 'model.encoder.layers.1.self_attn.v_proj.weight';
const CONVOLUTION = 'model.encoder.conv1.weight';
const WATCHED = [CROSS, SELF, ENCODER, CONVOLUTION];
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, clipNorm: 1 };

let clips: Clip[];
let sounds: Float32Array[];
beforeAll(async () => {
  const manifest = await readManifest(path('../../samples/manifest.tsv'));
  clips = manifest.filter(({ language, set }) => language === 'en' && set === 'train').slice(0, 2);
  sounds = await Promise.all(clips.map(({ audio }) => readAudio(audio)));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Four steps on two clips. */
async function train(model: WhisperModel, tuning: Tuning, learningRate: number) {
  const { runtime, dimensions } = model;
  const speech: ReadyClip[] = tunesEncoder(tuning)
    ? sounds.map((sound) => melClip(sound, dimensions.melBins, 'fit'))
    : await model.encode(sounds, 'fit');
  const pairs = clips.map((clip, i) => ({ clip, encoded: speech[i]! }));
  const examples = translationExamples(model, pairs, {
    target: 'zh',
    promptOf: () => model.tokens.prompt('zh', 'transcribe'),
  });
  const tails = await model.silenceTailsFor(speech);
  const adapters = tuningAdapters(dimensions, tuning);
  if (adapters) await createLora(model, adapters, 1);
  await runtime.createAdamW(tunedWeights(dimensions, tuning));
  const program = await runtime.load(tuningGraph(dimensions, tuning), { builtIn: () => false });
  const { feeds } = trainingBatch(examples, tails, model.tokens.endOfText);
  const losses: number[] = [];
  for (let step = 0; step < 4; step++) {
    const { fetched } = await runtime.run(program, feeds, { fetch: ['loss'] });
    losses.push((fetched.loss!.data as Float32Array)[0]!);
    await runtime.stepAdamW({ ...ADAMW, learningRate });
  }
  await runtime.unload(program);
  await runtime.releaseAdamW();
  return losses;
}

const watched = async (model: WhisperModel) => (await model.runtime.read(WATCHED)).map(({ data }) => data);
const loaded = () => WhisperModel.load(path('../../models/whisper-base-int8'));

/** Which of the watched weights changed. */
function changes(before: readonly ArrayLike<unknown>[], after: readonly ArrayLike<unknown>[]): string[] {
  return WATCHED.filter((_, i) => Array.from(before[i]!).some((value, k) => value !== after[i]![k]));
}

test.each([
  ['cross-attention', [CROSS]],
  ['encoder', [ENCODER, CONVOLUTION]],
  ['all', WATCHED],
] as const)('tuning of %s: the loss falls, and nothing else changes', async (part, expected) => {
  const model = await loaded();
  try {
    const before = await watched(model);
    const losses = await train(model, { part, embedding: 'frozen' }, 1e-4);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.2);
    expect(changes(before, await watched(model))).toEqual(expected);
  } finally {
    await model.close();
  }
});

test('LoRA: the loss falls, the weights stay until merged, and come back as they were', async () => {
  const model = await loaded();
  const tuning: Tuning = {
    part: 'decoder',
    embedding: 'frozen',
    lora: { rank: 8, alpha: 16, projections: ['q_proj', 'v_proj'] },
  };
  const adapters = tuningAdapters(model.dimensions, tuning)!;
  try {
    const before = await watched(model);
    const losses = await train(model, tuning, 2e-3);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.1);
    expect(changes(before, await watched(model))).toEqual([]);

    const [a, b] = await model.runtime.read([
      CROSS.replace('.weight', '.lora_A.weight'),
      CROSS.replace('.weight', '.lora_B.weight'),
    ]);
    const undo = await mergeLora(model, adapters);
    const merged = await watched(model);
    expect(changes(before, merged)).toEqual([CROSS, SELF]);
    // W + 2·B·A, at some entries.
    for (const [row, column] of [
      [0, 0],
      [17, 301],
      [511, 511],
    ] as const) {
      let sum = Number(before[0]![row * 512 + column]);
      for (let r = 0; r < 8; r++) sum += 2 * Number(b!.data[row * 8 + r]) * Number(a!.data[r * 512 + column]);
      expect(Number(merged[0]![row * 512 + column])).toBeCloseTo(sum, 6);
    }
    await undo();
    expect(changes(before, await watched(model))).toEqual([]);

    const directory = join(scratch, 'adapter');
    await saveLora(model, adapters, directory);
    const config = JSON.parse(readFileSync(join(directory, 'adapter_config.json'), 'utf8'));
    expect(config).toMatchObject({ peft_type: 'LORA', r: 8, lora_alpha: 16 });
    expect(config.target_modules.length).toBe(24);
    const file = readFileSync(join(directory, 'adapter_model.safetensors'));
    const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString());
    const { dtype, shape } = header['base_model.model.model.decoder.layers.0.self_attn.q_proj.lora_A.weight'];
    expect({ dtype, shape }).toEqual({ dtype: 'F32', shape: [8, 512] });
  } finally {
    await model.close();
  }
});

test('a clip in a batch with a longer one has the log-mel that the longer window gives it', () => {
  const short = sounds[0]!;
  const long = new Float32Array(short.length + 5 * 16_000);
  long.set(short);
  const { mel, audioPositions } = melBatch([melClip(short, 80, 'fit'), melClip(long, 80, 'fit')], undefined);
  const size = 80 * 2 * audioPositions.shape[0]!;
  const values = mel.data as Float32Array;
  expect(Buffer.from(values.slice(0, size).buffer)).toEqual(Buffer.from(values.slice(size).buffer));
});
