import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { WhisperModel } from '../whisper/model.ts';
import { decode } from './decode.ts';

const recording = fileURLToPath(new URL('../../samples/gcompris/en/algebra_by.opus', import.meta.url));
let audio: Float32Array[];
let float32: WhisperModel;
let int8: WhisperModel;
let float16: WhisperModel;

beforeAll(async () => {
  audio = [await readAudio(recording)];
  float32 = await WhisperModel.load(embeddedModel, { threads: 1 });
  int8 = await WhisperModel.load(embeddedModel, { threads: 1, compute: 'int8' });
  float16 = await WhisperModel.load(embeddedModel, { threads: 1, compute: 'float16' });
});
afterAll(async () => {
  await float32.close();
  await int8.close();
  await float16.close();
});

function relativeDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (found[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return Math.sqrt(difference / norm);
}

test('int8 hears nearly the same frames as float32, in both windows, and the same each time', async () => {
  for (const window of ['fit', 'full'] as const) {
    const [exact] = await float32.encode(audio, window);
    const [rounded] = await int8.encode(audio, window);
    const difference = relativeDifference(rounded!.frames, exact!.frames);
    expect(difference).toBeGreaterThan(0.001);
    expect(difference).toBeLessThan(0.1);
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
