/** The model against PyTorch's values for the same weights (scripts/golden/{encoder_output,decoder_gradients}.py). */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { float32, int64 } from '../backend/runtime.ts';
import { cosine, fetchGradients, textFeeds } from '../testing/golden-batch.ts';
import { unit } from '../testing/tiny-model.ts';
import { TOKEN_EMBEDDING } from './decoder.ts';
import { encoderStatesGraph } from './encoder.ts';
import { noSilenceFeeds } from './mel-batch.ts';
import { WhisperModel } from './model.ts';
import { decoderWeights, trainingGraph } from './training-graph.ts';

const golden = (name: string) =>
  JSON.parse(readFileSync(new URL(`./golden/${name}.json`, import.meta.url), 'utf8'));

let model: WhisperModel;
beforeAll(async () => {
  model = await WhisperModel.load(fileURLToPath(new URL('../../models/whisper-base-int8', import.meta.url)));
});
afterAll(() => model?.close());

const frames = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => (unit(i, seed) - 0.5) * 3.4);
const norm = (x: Float32Array) => Math.sqrt(x.reduce((total, v) => total + v * v, 0));
const sampled = (x: Float32Array, count: number) =>
  Array.from({ length: count }, (_, k) => x[Math.floor(unit(k, 101) * x.length)]!);

/** The golden log-mel of one clip, by its formula, and its positions. */
function melFeeds(melFrames: number) {
  const mel = new Float32Array(80 * melFrames);
  for (let b = 0; b < 80; b++) {
    for (let t = 0; t < melFrames; t++) {
      const u = unit(Math.floor(t / 8) * 32 + Math.floor(b / 4), 11);
      mel[b * melFrames + t] = -0.8 + 1.6 * u * u + 0.4 * unit(t * 128 + b, 12);
    }
  }
  const positions = int64(Array.from({ length: melFrames / 2 }, (_, i) => i));
  return { mel: float32(mel, [1, 80, melFrames]), positions };
}

test.each(['300', '3000'])('encoder output of a %s-frame window equals PyTorch’s', async (window) => {
  const expected = golden('encoder-output').windows[window];
  const feeds = melFeeds(Number(window));
  const { fetched } = await model.runtime.run(await model.encoderProgram('full'), feeds, {
    fetch: ['frames'],
  });
  const output = fetched.frames!.data as Float32Array;
  expect(norm(output) / expected.norm).toBeCloseTo(1, 4);
  expect(cosine(sampled(output, expected.samples.length), expected.samples)).toBeGreaterThan(0.99999);
  expected.positions.forEach((position: number, i: number) => {
    const row = output.subarray(position * 512, (position + 1) * 512);
    expect(cosine(row, expected.vectors[i]), `frame ${position}`).toBeGreaterThan(0.99999);
  });
});

test('what enters the encoder and what each of its layers makes of it equals PyTorch’s', async () => {
  const { states } = golden('encoder-output').windows['300'];
  const program = await model.runtime.load(encoderStatesGraph(model.dimensions), { builtIn: () => true });
  const feeds = { ...melFeeds(300), ...noSilenceFeeds(model.dimensions, 1, 150) };
  const { fetched } = await model.runtime.run(program, feeds, { fetch: program.outputs });
  // PyTorch's last is after the final layer norm, which is compared above.
  expect(program.outputs).toHaveLength(states.length - 1);
  for (const [layer, name] of program.outputs.entries()) {
    const state = fetched[name]!.data as Float32Array;
    expect(norm(state) / states[layer].norm, name).toBeCloseTo(1, 4);
    expect(cosine(sampled(state, states[layer].samples.length), states[layer].samples), name).toBeGreaterThan(
      0.99999,
    );
  }
});

test('loss and the gradient of every decoder tensor equal PyTorch’s', async () => {
  const expected = golden('decoder-gradients');
  const blob = readFileSync(new URL('./golden/decoder-gradients.bin', import.meta.url));
  const stored = new Float32Array(blob.buffer.slice(blob.byteOffset, blob.byteOffset + blob.byteLength));
  const names = decoderWeights(model.dimensions);
  const graph = trainingGraph(model.dimensions, names);
  fetchGradients(graph, names);
  const program = await model.runtime.load(graph, { builtIn: () => false });
  const run = async (tail: boolean, masked: boolean) => {
    const clip = frames(2 * 24 * 512, 1);
    const silence = frames(5 * 512, 2);
    const perClip = tail ? 29 : 24;
    const all = new Float32Array(2 * perClip * 512);
    const bias = new Float32Array(2 * perClip);
    for (const i of [0, 1]) {
      all.set(clip.subarray(i * 24 * 512, (i + 1) * 24 * 512), i * perClip * 512);
      if (tail) all.set(silence, (i * perClip + 24) * 512);
      if (tail) bias.set(expected.tailBias, i * perClip + 24);
      if (masked) bias.fill(-1e9, i * perClip + expected.realFrames[i], i * perClip + 24);
    }
    const feeds = {
      frames: float32(all, [2, perClip, 512]),
      frameBias: float32(bias, [2, 1, 1, perClip]),
      ...textFeeds(expected.inputTokens, expected.labels),
    };
    return (await model.runtime.run(program, feeds, { fetch: program.outputs })).fetched;
  };

  const plain = await run(false, false);
  expect(Math.abs((plain.loss!.data as Float32Array)[0]! - expected.loss)).toBeLessThan(1e-4);
  expect(names.length).toBe(Object.keys(expected.tensors).length);
  for (const name of names) {
    const gradient = plain[`d:${name}`]!.data as Float32Array;
    const want = expected.tensors[name.replace('model.decoder.', '')];
    expect(norm(gradient) / want.norm, `norm of ${name}`).toBeCloseTo(1, 3);
    if (want.samples)
      expect(cosine(sampled(gradient, want.samples.length), want.samples), name).toBeGreaterThan(0.9999);
    if (want.offset !== undefined) {
      const size = (want.storedRows * gradient.length) / want.shape[0];
      const values = stored.subarray(want.offset, want.offset + size);
      expect(cosine(gradient.subarray(0, size), values), name).toBeGreaterThan(0.9999);
    }
    if (name === TOKEN_EMBEDDING) {
      want.rows.forEach((row: number, i: number) => {
        const values = stored.subarray(want.rowsOffset + i * 512, want.rowsOffset + (i + 1) * 512);
        expect(
          cosine(gradient.subarray(row * 512, (row + 1) * 512), values),
          `${name}, row ${row}`,
        ).toBeGreaterThan(0.9999);
      });
    }
  }

  for (const [key, masked] of [
    ['tail', false],
    ['tailPadded', true],
  ] as const) {
    const withTail = await run(true, masked);
    expect(Math.abs((withTail.loss!.data as Float32Array)[0]! - expected[key].loss), key).toBeLessThan(1e-4);
    for (const name of names) {
      const wanted = expected[key].gradientNorms[name.replace('model.decoder.', '')];
      expect(
        norm(withTail[`d:${name}`]!.data as Float32Array) / wanted,
        `${key}: norm of ${name}`,
      ).toBeCloseTo(1, 3);
    }
  }
  await model.runtime.unload(program);
});
