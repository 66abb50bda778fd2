import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import type { Compute, ModelProducts } from '../whisper/compute.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { quantize } from '../whisper/quantize.ts';
import { withModel } from '../whisper/with-model.ts';
import { decode } from './decode.ts';
import { DecodingSession } from './session.ts';
import { Whisper } from './whisper.ts';

const sample = (name: string): string =>
  fileURLToPath(new URL(`../../samples/gcompris/en/${name}.opus`, import.meta.url));
const recording = sample('algebra_by');
let folder: string;
let audio: Float32Array[];
let float32: WhisperModel;
let int8: WhisperModel;
let float16: WhisperModel;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compute-'));
  await writeTinyModel(join(folder, 'float'), { width: 64, decoderFfn: 128 });
  for (const bits of [8, 4] as const)
    await quantize({ model: join(folder, 'float'), output: join(folder, `int${bits}`), bits });
  audio = [await readAudio(recording)];
  float32 = await WhisperModel.load(embeddedModel, { threads: 1 });
  int8 = await WhisperModel.load(embeddedModel, { threads: 1, compute: 'int8' });
  float16 = await WhisperModel.load(embeddedModel, { threads: 1, compute: 'float16' });
});
afterAll(async () => {
  await float32.close();
  await int8.close();
  await float16.close();
  await rm(folder, { recursive: true });
});

function relativeDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (found[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** A bit less doubles what rounding costs. */
const bitsOfInputs = async (): Promise<8 | 7> => ((await float32.runtime.multipliesBytes()) ? 8 : 7);

test('int8 hears nearly the same frames as float32, in both windows, and the same each time', async () => {
  for (const window of ['fit', 'full'] as const) {
    const [exact] = await float32.encode(audio, window);
    const [rounded] = await int8.encode(audio, window);
    const difference = relativeDifference(rounded!.frames, exact!.frames);
    expect(difference).toBeGreaterThan(0.001);
    expect(difference).toBeLessThan((await bitsOfInputs()) === 8 ? 0.1 : 0.2);
    const [again] = await int8.encode(audio, window);
    expect(again!.frames).toEqual(rounded!.frames);
  }
});

test('float16, as graphics cards compute it, hears the frames of float32 to 1e-2, in both windows', async () => {
  for (const window of ['fit', 'full'] as const) {
    const [exact] = await float32.encode(audio, window);
    const [rounded] = await float16.encode(audio, window);
    const difference = relativeDifference(rounded!.frames, exact!.frames);
    expect(difference).toBeGreaterThan(1e-4);
    expect(difference).toBeLessThan(1e-2);
  }
});

test('outputs that are kept or compared are float32’s to the bit in a model that computes in int8', async () => {
  const [exact] = await float32.encode(audio, 'fit');
  const [kept] = await int8.encode(audio, 'fit', { exact: true });
  expect(kept!.frames).toEqual(exact!.frames);
});

test('int8 and float16 write the text of float32 for a clear sentence, with one search or several', async () => {
  for (const beams of [1, 3]) {
    const texts: string[] = [];
    for (const model of [float32, int8, float16]) {
      const clips = await model.encode(audio, 'fit');
      const prompts = [model.tokens.prompt('en', 'transcribe')];
      const [decoded] = await decode(model, clips, { prompts, beams });
      texts.push(decoded!.text);
    }
    expect(texts.slice(1)).toEqual([texts[0], texts[0]]);
    expect(texts[0]).toMatch(/balloon lands/);
  }
});

const products = (model: string, compute: Compute): Promise<ModelProducts> =>
  withModel(WhisperModel.load(model, { threads: 1, compute }), async (loaded) => loaded.products);

test('by default small steps have inputs of two terms, where the weights have 8 bits; else all is float32', async () => {
  const exact: ModelProducts = { encoder: 'float32', decoder: 'float32' };
  const bits = await bitsOfInputs();
  await using whisper = await Whisper.load(join(folder, 'int8'), { threads: 1 });
  expect(whisper.model.products).toEqual({
    encoder: 'float32',
    decoder: { scaled: 'rows', inputs: { bits, terms: 2 } },
    decoderRows: expect.any(Number),
  });
  expect(await products(join(folder, 'int8'), 'float32')).toEqual(exact);
  expect(await products(join(folder, 'int4'), 'auto')).toEqual(exact);
  expect(await products(join(folder, 'float'), 'auto')).toEqual(exact);
});

/** Logits of steps of a batch of 12 clips, which shrinks to 6. */
async function shrinking(model: WhisperModel): Promise<Float32Array[]> {
  const { vocabulary, width } = model.dimensions;
  const clips = Array.from({ length: 12 }, (_, clip): EncodedClip => {
    const frames = Float32Array.from({ length: 50 * width }, (_, i) => Math.sin(i * (clip + 1)));
    return { frames, window: 50, length: 50, width };
  });
  const suppression = { bias: new Float32Array(vocabulary), places: [0] };
  const ask = (rows: readonly number[]) => ({ rows, suppression, count: 1 });
  const session = await DecodingSession.start(model, clips, { silenceTails: 'none' });
  const prompt = model.tokens.prompt('en', 'transcribe');
  const answers = [
    await session.readPrompts(
      clips.map(() => prompt),
      ask(clips.map((_, i) => (i + 1) * prompt.length - 1)),
      ['logits'],
    ),
  ];
  const step = async (count: number): Promise<void> => {
    const rows = [...Array(count).keys()];
    answers.push(
      await session.step(
        rows.map((row) => 440 + row),
        ask(rows),
        ['logits'],
      ),
    );
  };
  for (let i = 0; i < 3; i++) await step(12);
  await session.selectClips([0, 2, 3, 7, 8, 11]);
  for (let i = 0; i < 3; i++) await step(6);
  await session.end();
  return answers.map(({ logits }) => logits as Float32Array);
}

test('a batch that shrinks goes on in the program of small steps with the keys and values of the other', async () => {
  const model = join(folder, 'int8');
  const run = (compute: Compute | ModelProducts) =>
    withModel(WhisperModel.load(model, { threads: 1, compute }), shrinking);
  const exact = await run('float32');
  const bits = await bitsOfInputs();
  const both: ModelProducts = {
    encoder: 'float32',
    decoder: { scaled: 'rows', inputs: { bits, terms: 2 } },
    decoderRows: 8,
  };
  const found = await run(both);
  expect(found.slice(0, 4)).toEqual(exact.slice(0, 4));
  for (const [i, logits] of found.entries()) {
    const difference = relativeDifference(logits, exact[i]!);
    // Of two terms.
    expect(difference).toBeLessThan(bits === 8 ? 1e-4 : 4e-4);
    if (i >= 4) expect(difference).toBeGreaterThan(0);
  }
  expect(await run(both)).toEqual(found);
});

test('by default texts of many clips and of one are float32’s, with one search or several', async () => {
  const names = ['algebra_plus', 'ballcatch', 'bargame', 'braille_fun', 'chronos', 'clickgame', 'colors'];
  const several = [...audio, ...(await Promise.all(names.map((name) => readAudio(sample(name)))))];
  const clips = await float32.encode(several, 'fit');
  const texts = async (model: WhisperModel, some: readonly EncodedClip[], beams: number) => {
    const prompts = some.map(() => model.tokens.prompt('en', 'transcribe'));
    return (await decode(model, some, { prompts, beams })).map(({ text }) => text);
  };
  await withModel(WhisperModel.load(embeddedModel, { threads: 1, compute: 'auto' }), async (model) => {
    expect(model.products.decoder).not.toBe('float32');
    for (const beams of [1, 3]) {
      const exact = await texts(float32, clips, beams);
      expect(await texts(model, clips, beams)).toEqual(exact);
      expect(await texts(model, clips.slice(0, 1), beams)).toEqual(exact.slice(0, 1));
    }
  });
});
