import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { cpuInstructions } from '../report/machine.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { diagnose } from './diagnose.ts';

const folder = mkdtempSync(join(tmpdir(), 'diagnose-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('says that a model decodes here, and how large model and cache are', async () => {
  const model = join(folder, 'model');
  await writeTinyModel(model);
  writeFileSync(join(folder, 'x'), 'four');
  const found = await diagnose({ version: '1.2.3', model, cache: folder });
  expect(found).toMatchObject({ version: '1.2.3', node: process.version });
  expect(found.onnxruntime).toMatchObject({
    providers: expect.arrayContaining([{ name: 'cpu', bundled: true }]),
  });
  expect(found.model).toMatchObject({ width: 16, encoderLayers: 1, decoderLayers: 2 });
  expect((found.model as { seconds: number }).seconds).toBeGreaterThan(0);
  expect(found.model.bytes).toBeGreaterThan(1e6);
  expect(found.cache).toEqual({
    directory: folder,
    files: found.model.files + 1,
    bytes: found.model.bytes + 4,
  });
  expect(found.freeDisk).toBeGreaterThan(0);
});

test('a model that cannot be loaded is part of the result, and so is a cache that is not there yet', async () => {
  const nowhere = join(folder, 'no', 'where');
  const { model, cache, freeDisk } = await diagnose({ version: '', model: nowhere, cache: nowhere });
  expect(model).toMatchObject({ files: 0, error: expect.stringContaining('no such directory') });
  expect(cache).toEqual({ directory: nowhere, files: 0, bytes: 0 });
  expect(freeDisk).toBeGreaterThan(0);
});

test('instructions are not guessed where the system does not say', async () => {
  expect(await cpuInstructions('win32', 'x64')).toBeUndefined();
  expect(await cpuInstructions('win32', 'arm64')).toEqual(['NEON']);
});
