/** `retrieve` as code calls it: a manifest or its clips, a pair or all pairs, an abort. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readManifest } from '../data/manifest.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { retrieve } from './retrieve.ts';

const folder = mkdtempSync(join(tmpdir(), 'retrieve-'));
const samples = fileURLToPath(new URL('../../samples/gcompris', import.meta.url));
const [model, manifest] = [join(folder, 'model'), join(folder, 'clips.tsv')];
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  await writeTinyModel(model);
  const rows = ['ca', 'en'].flatMap((language) =>
    ['algebra_by', 'colors', 'maze'].map((key) =>
      [join(samples, language, `${key}.opus`), language, key].join('\t'),
    ),
  );
  writeFileSync(manifest, ['audio\tlang\tkey', ...rows].join('\n'));
});

test('all pairs of a manifest, or one pair of its clips, with the same numbers', async () => {
  const stages: string[] = [];
  const all = await retrieve({
    ...{ clips: manifest, model, methods: 'seqsim,seqsim+csls' },
    onProgress: ({ stage, done, total }) => done === total && stages.push(stage),
  });
  expect(all.pairs.map(({ from, to }) => `${from}-${to}`)).toEqual(['ca-en', 'en-ca']);
  expect(all).toMatchObject({ exact: true, shortlist: undefined });
  expect(new Set(stages)).toEqual(new Set(['encoding', 'comparing pairs']));
  const clips = await readManifest(manifest);
  const one = await retrieve({ clips, model, from: 'en', to: 'ca', methods: 'seqsim,seqsim+csls' });
  expect(one.pairs).toEqual([all.pairs[1]]);
});

test('mistakes are one line; an aborted comparison rejects with the reason, and the next call works', async () => {
  await expect(retrieve({ clips: manifest, model, from: 'en' })).rejects.toThrow('expected both, or none');
  await expect(retrieve({ clips: manifest, model, from: 'en', to: 'fr' })).rejects.toThrow('language "fr"');
  const controller = new AbortController();
  const aborted = retrieve({
    ...{ clips: manifest, model, signal: controller.signal },
    onProgress: ({ stage }) => {
      if (stage === 'comparing pairs') controller.abort(new Error('enough'));
    },
  });
  await expect(aborted).rejects.toThrow('enough');
  expect((await retrieve({ clips: manifest, model })).pairs).toHaveLength(2);
});
