import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { frameValues } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { LayerCache } from './layer-cache.ts';

const scratch = await mkdtemp(join(tmpdir(), 'layers-'));
const directory = join(scratch, 'tiny');
const files = ['algebra_by', 'clockgame'].map((name) =>
  fileURLToPath(new URL(`../../samples/gcompris/en/${name}.opus`, import.meta.url)),
);
let model: WhisperModel;
beforeAll(async () => {
  await writeTinyModel(directory, { encoderLayers: 3 });
  model = await WhisperModel.load(directory, { threads: 1 });
});
afterAll(async () => {
  await model.close();
  await rm(scratch, { recursive: true });
});

function expectAlike(a: Float32Array, b: Float32Array, tolerance: number): void {
  expect(a.length).toBe(b.length);
  const most = a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i]!)), 0);
  expect(most).toBeLessThan(tolerance);
}

test('a layer through the final layer norm is what a model gives whose encoder ends there', async () => {
  const clip = await readAudio(files[0]!);
  const layers = await model.encodeLayers([clip], 'fit');
  expect(layers).toHaveLength(4);
  for (const [layer, [state]] of layers.entries()) {
    const exiting = await WhisperModel.load(directory, { threads: 1, exitLayer: layer });
    const [ended] = await exiting.encode([clip], 'fit');
    expectAlike(frameValues(await model.withFinalNorm(state!)), frameValues(ended!), 1e-4);
    expect((await exiting.encoderFingerprint()) === (await model.encoderFingerprint())).toBe(layer === 3);
    await exiting.close();
  }
});

test('layers are kept on disk, a damaged entry is encoded again, and an unreadable file is named', async () => {
  const broken = join(scratch, 'broken.wav');
  await writeFile(broken, 'no audio');
  const cache = await LayerCache.open(model, join(scratch, 'cache'), 'fit');
  const failed: string[] = [];
  await cache.fill([...files, broken], { onError: (file) => failed.push(file) });
  expect(failed).toEqual([broken]);
  expect(await cache.read(broken, 1)).toBeUndefined();
  const [expected] = (await model.encodeLayers([await readAudio(files[1]!)], 'fit'))[2]!;
  const kept = await cache.read(files[1]!, 2);
  expect(kept).toMatchObject({ length: expected!.length, window: expected!.window });
  expectAlike(frameValues(kept!), frameValues(expected!), 5e-3); // float16
});
