/** Rounds of recordings: the next one is read while one is encoded, and nothing is read or encoded in vain. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wavBytes } from '../audio/wav-write.ts';
import type { Recording } from '../data/recording.ts';
import { type FeatureSource, inRounds } from './in-rounds.ts';

const folder = mkdtempSync(join(tmpdir(), 'rounds-'));
const file = (name: string) => join(folder, `${name}.wav`);
const recordings = (...names: string[]): Recording[] => names.map((name) => ({ files: [file(name)] }));
beforeAll(() => {
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
    writeFileSync(file(name), wavBytes(new Float32Array(name.charCodeAt(0))));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Feature {
  readonly samples: number;
}

/** Two recordings a round; features are kept by the name of the file. `happened` lists what is read and encoded. */
function source(encode: () => Promise<void> = async () => {}) {
  const happened: string[] = [];
  const stored = new Map<string, Feature>();
  const kept: FeatureSource<Feature> = {
    perRound: 2,
    memo: { keyOf: async ({ files }) => files[0]!, flush: async () => {} },
    find: async (key) => stored.get(key),
    encode: async (missing) => {
      const names = missing.map(({ key }) => key!.at(-5));
      happened.push(`encode ${names.join()}`);
      await encode();
      happened.push(`encoded ${names.join()}`);
      const features = missing.map(({ samples }) => ({ samples: samples.length }));
      missing.forEach(({ key }, i) => {
        stored.set(key!, features[i]!);
      });
      return features;
    },
    damage: { add: () => {}, end: () => happened.push('end') },
  };
  return { kept, happened, stored };
}

const counts = (features: readonly (Feature | undefined)[]) => features.map((feature) => feature?.samples);

test('the files of a round are read while the round before it is encoded; features come in their order', async () => {
  // The second round's files are removed: they were read by then.
  const { kept, happened } = source(async () => {
    await wait(400);
    for (const name of ['c', 'd']) rmSync(file(name), { force: true });
  });
  const features = await inRounds(recordings('a', 'b', 'c', 'd'), kept, {});
  for (const name of ['c', 'd']) writeFileSync(file(name), wavBytes(new Float32Array(name.charCodeAt(0))));
  expect(counts(features)).toEqual([97, 98, 99, 100]);
  expect(happened).toEqual(['encode a,b', 'encoded a,b', 'encode c,d', 'encoded c,d', 'end']);
});

test('a recording that a round before had is not encoded again', async () => {
  const { kept, happened } = source();
  const features = await inRounds(recordings('a', 'b', 'b', 'c'), kept, {});
  expect(counts(features)).toEqual([97, 98, 98, 99]);
  expect(happened.filter((line) => line.startsWith('encode '))).toEqual(['encode a,b', 'encode c']);
});

test('an unreadable file is reported in its place', async () => {
  const { kept } = source();
  const errors: string[] = [];
  const onError = (name: string) => errors.push(name);
  const features = await inRounds(recordings('a', 'none', 'b', 'nothing', 'c'), kept, { onError });
  expect(counts(features)).toEqual([97, undefined, 98, undefined, 99]);
  expect(errors).toEqual([file('none'), file('nothing')]);
  await expect(inRounds(recordings('a', 'b', 'none'), source().kept, {})).rejects.toThrow('none.wav');
});

test('after a failure nothing more is encoded, and its error is the one that is told', async () => {
  const { kept, happened } = source(async () => {
    throw new Error('out of memory');
  });
  await expect(inRounds(recordings('a', 'b', 'none', 'd', 'e', 'f'), kept, {})).rejects.toThrow(
    'out of memory',
  );
  await wait(100);
  expect(happened).toEqual(['encode a,b']);
});

test('an abort ends it between two recordings', async () => {
  const abort = new AbortController();
  const { kept, happened } = source(async () => abort.abort(new Error('enough')));
  const run = inRounds(recordings('a', 'b', 'c', 'd'), kept, { signal: abort.signal });
  await expect(run).rejects.toThrow('enough');
  expect(happened).toEqual(['encode a,b', 'encoded a,b']);
});
