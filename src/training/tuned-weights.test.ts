/** What is tuned: names; loss and every gradient against PyTorch's and PEFT's (scripts/golden/tuning_gradients.py). */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { float32, int64 } from '../backend/runtime.ts';
import { whisperTensors } from '../checkpoint/checkpoint.ts';
import { UserError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { cosine, fetchGradients, textFeeds } from '../testing/golden-batch.ts';
import { unit } from '../testing/tiny-model.ts';
import { TOKEN_EMBEDDING } from '../whisper/decoder.ts';
import { noSilenceFeeds } from '../whisper/mel-batch.ts';
import { WhisperModel } from '../whisper/model.ts';
import { decoderWeights } from '../whisper/training-graph.ts';
import { LORA_PROJECTIONS, type TunedPart } from './choices.ts';
import { type Tuning, tunedWeights, tuningGraph } from './tuned-weights.ts';

const golden = JSON.parse(readFileSync(new URL('./golden/tuning-gradients.json', import.meta.url), 'utf8'));

let model: WhisperModel;
beforeAll(async () => {
  model = await WhisperModel.load(fileURLToPath(new URL('../../models/whisper-base-int8', import.meta.url)));
});
afterAll(() => model?.close());

const pseudo = (count: number, seed: number, width: number) =>
  Float32Array.from({ length: count }, (_, i) => (unit(i, seed) - 0.5) * width);

async function lossAndGradients(graph: Graph, names: readonly string[]) {
  fetchGradients(graph, names);
  const program = await model.runtime.load(graph, { builtIn: () => false });
  const { melBins, width } = model.dimensions;
  const frames = golden.melFrames / 2;
  const tailCount = golden.tailBias.length;
  const tail = pseudo(tailCount * width, 2, 3.4);
  const bothTails = new Float32Array(2 * tail.length);
  bothTails.set(tail);
  bothTails.set(tail, tail.length);
  const bias = [...new Array(frames).fill(0), ...golden.tailBias];
  const feeds = {
    mel: float32(pseudo(2 * melBins * golden.melFrames, 21, 3.4), [2, melBins, golden.melFrames]),
    audioPositions: int64(Array.from({ length: frames }, (_, i) => i)),
    ...noSilenceFeeds(model.dimensions, 2, frames),
    tail: float32(bothTails, [2, tailCount, width]),
    frameBias: float32(Float32Array.from([...bias, ...bias]), [2, 1, 1, bias.length]),
    ...textFeeds(golden.inputTokens, golden.labels),
  };
  const { fetched } = await model.runtime.run(program, feeds, { fetch: program.outputs });
  await model.runtime.unload(program);
  return fetched;
}

const same = (a: ArrayBufferView, b: ArrayBufferView): boolean =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

/** Every tensor's norm to 1e-3, and samples of it with a cosine above 0.9999. */
async function expectGradients(tuning: Tuning, kind: 'all' | 'lora') {
  const names = tunedWeights(model.dimensions, tuning);
  const found = await lossAndGradients(tuningGraph(model.dimensions, tuning), names);
  expect(Math.abs((found.loss!.data as Float32Array)[0]! - golden[`${kind}Loss`])).toBeLessThan(1e-4);
  expect([...names].sort()).toEqual(Object.keys(golden[kind]).sort());
  for (const name of names) {
    const gradient = found[`d:${name}`]!.data as Float32Array;
    const want = golden[kind][name] as { norm: number; samples: number[] };
    const norm = Math.sqrt(gradient.reduce((sum, v) => sum + v * v, 0));
    expect(norm / want.norm, `norm of ${name}`).toBeCloseTo(1, 3);
    const samples = want.samples.map((_, k) => gradient[Math.floor(unit(k, 101) * gradient.length)]!);
    if (want.samples.some((value) => value !== 0))
      expect(cosine(samples, want.samples), name).toBeGreaterThan(0.9999);
  }
  return found;
}

test('through encoder and decoder, loss and the gradient of every tensor equal PyTorch’s; recomputed, to the bit', async () => {
  const tuning: Tuning = { part: 'all', embedding: 'trained' };
  const kept = await expectGradients(tuning, 'all');
  const names = tunedWeights(model.dimensions, tuning);
  const again = await lossAndGradients(tuningGraph(model.dimensions, tuning, { recompute: true }), names);
  for (const [name, { data }] of Object.entries(kept)) expect(same(again[name]!.data, data), name).toBe(true);
});

test('the gradients of every LoRA adapter of encoder and decoder equal PEFT’s', async () => {
  const { rank, alpha, adapterNames } = golden;
  const tuning: Tuning = {
    part: 'all',
    embedding: 'frozen',
    lora: { rank, alpha, projections: LORA_PROJECTIONS },
  };
  const shapes = whisperTensors(model.dimensions);
  await model.runtime.store(
    (adapterNames as string[]).map((name, k) => {
      const [projection, kind] = name.split('.lora_') as [string, string];
      const [out, inner] = shapes.get(`${projection}.weight`)!;
      const shape = kind.startsWith('A') ? [rank, inner] : [out, rank];
      return [name, { shape, data: pseudo(shape[0] * shape[1], 1000 + k, 0.1) }];
    }),
  );
  await expectGradients(tuning, 'lora');
});

test('the parts of the model, and nothing of any other', () => {
  const names = (part: TunedPart, embedding: Tuning['embedding'] = 'frozen') =>
    tunedWeights(model.dimensions, { part, embedding });
  const cross = names('cross-attention');
  expect(cross.length).toBe(6 * 9); // 4 weights, 3 biases, and the layer norm's two
  expect(cross.every((name) => name.includes('.encoder_attn'))).toBe(true);
  expect(names('encoder').every((name) => name.startsWith('model.encoder.'))).toBe(true);
  expect(names('encoder')).not.toContain('model.encoder.embed_positions.weight');
  expect(new Set(names('all'))).toEqual(new Set([...names('encoder'), ...names('decoder')]));
  expect(names('decoder')).not.toContain(TOKEN_EMBEDDING);
  expect(names('decoder', 'trained')).toEqual(decoderWeights(model.dimensions));
  expect(names('cross-attention', 'trained')).toEqual([TOKEN_EMBEDDING, ...cross]);
});

test('LoRA options that fit nothing are a mistake, said in one line', () => {
  const ask = (lora: Partial<Tuning['lora']>, more: Partial<Tuning> = {}) =>
    tunedWeights(model.dimensions, {
      part: 'decoder',
      embedding: 'frozen',
      ...more,
      lora: { rank: 8, alpha: 16, projections: ['q_proj'], ...lora },
    });
  expect(ask({}).length).toBe(6 * 2 * 2);
  expect(() => ask({ rank: 0 })).toThrow(UserError);
  expect(() => ask({ rank: 513 })).toThrow(UserError);
  expect(() => ask({ alpha: 0 })).toThrow(UserError);
  expect(() => ask({ projections: [] })).toThrow(UserError);
  expect(() => ask({ projections: ['fc1'] }, { part: 'cross-attention' })).toThrow(UserError);
  expect(() => ask({}, { embedding: 'trained' })).toThrow(UserError);
});
