import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Runtime } from '../backend/runtime.ts';
import type { Clip } from '../data/clip.ts';
import { retrievalMethods } from './methods.ts';
import { ParallelClips } from './parallel-clips.ts';
import { StoredRanks } from './parts.ts';
import { retrievalStudy } from './study.ts';

const runtime = new Runtime({ threads: 1 });
const folder = mkdtempSync(join(tmpdir(), 'retrieval-parts-'));
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

const WIDTH = 6;
const COUNT = 9;

/** Clips of two languages; a sentence's frames differ a little between them, more the higher its number. */
const heard = ['ca', 'en'].flatMap((language, l) =>
  Array.from({ length: COUNT }, (_, k) => {
    const length = 5 + (k % 3);
    const frames = Float32Array.from(
      { length: length * WIDTH },
      (_, i) => Math.sin((k + 1) * (1 + (i % WIDTH)) + i) + l * 0.5 * k * Math.cos(3 * i + k),
    );
    const clip = { audio: `${language}${k}.wav`, language, set: 's', key: `k${k}` } as Clip;
    return { clip, encoded: { frames, window: length, length, width: WIDTH } };
  }),
);
// One of the searching clips has no answer, and is compared only where the whole matrix is wanted.
const languages = new ParallelClips([
  ...heard,
  { ...heard[0]!, clip: { ...heard[0]!.clip, key: 'not in English' } },
]);
const pair = { from: 'ca', to: 'en' };
const variants = retrievalMethods('seqsim,mean-pool');
const study = (options: Partial<Parameters<typeof retrievalStudy>[3]>) =>
  retrievalStudy(runtime, languages, [pair], { variants, ...options });
const ranksOf = ([result]: Awaited<ReturnType<typeof study>>) => result!.variants.map(({ ranks }) => ranks);

test('part by part finds the ranks that the whole matrix has, exactly and with a shortlist', async () => {
  const whole = ranksOf(await study({}));
  expect(whole[0]!.some((rank) => rank > 1)).toBe(true);
  expect(ranksOf(await study({ heldPairs: 2 * COUNT }))).toEqual(whole);
  const listed = ranksOf(await study({ shortlist: 2 }));
  expect(ranksOf(await study({ shortlist: 2, heldPairs: 2 * COUNT }))).toEqual(listed);
});

test('a run that was broken off goes on with the next part, whatever stands at the end of what it left', async () => {
  const whole = ranksOf(await study({ heldPairs: 2 * COUNT }));
  const file = (comparison: string) => join(folder, `${comparison.replaceAll(/\W/g, '_')}.jsonl`);
  const kept = (comparison: string) => StoredRanks.open(file(comparison));
  await study({ heldPairs: 2 * COUNT, kept });
  const path = file('seqsim ca en');
  const lines = readFileSync(path, 'utf8').split('\n');
  expect(lines).toHaveLength(5 + 1);
  writeFileSync(path, `${lines.slice(0, 2).join('\n')}\n`);
  appendFileSync(path, lines[2]!.slice(0, 12));

  const known: number[] = [];
  const progress: number[] = [];
  const again = await study({
    heldPairs: 2 * COUNT,
    kept,
    onKnown: (pairs) => known.push(pairs),
    onProgress: (pairs) => progress.push(pairs),
  });
  expect(ranksOf(again)).toEqual(whole);
  // Of 9 searching sentences 4 were known of the first metric, all of the second; both count all 10 clips.
  expect(known).toEqual([40, 90]);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  expect(readFileSync(path, 'utf8').split('\n')).toEqual(lines);
});

test('CSLS of more pairs than are held is refused before anything is compared', async () => {
  await expect(study({ variants: retrievalMethods('seqsim,seqsim+csls'), heldPairs: 50 })).rejects.toThrow(
    'found 10 × 9 clips (ca–en), expected at most 50 pairs',
  );
});
