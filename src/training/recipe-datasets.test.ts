/** Training on data sets of the hub and of this machine, without a manifest of the user's: `train --dataset`. */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { wavBytes } from '../audio/wav-write.ts';
import { UserError } from '../errors.ts';
import { evaluate } from '../evaluation/evaluate-manifest.ts';
import { type FakeHub, type FakeRepo, startFakeHub } from '../testing/fake-hub.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import type { RecipeInput, RecipeSource } from './recipe-source.ts';
import { type TrainOptions, train } from './train-recipe.ts';

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'datasets-'));
const at = (name: string): string => join(scratch, name);
let hub: FakeHub;
let fleurs: FakeRepo;

afterAll(async () => {
  await hub.close();
  rmSync(scratch, { recursive: true, force: true });
});
afterEach(() => {
  delete process.env.HF_HUB_OFFLINE;
});

const FLEURS = { dataset: 'google/fleurs', language: 'en' };

/** A recipe of two steps on one corpus. */
const recipeWith = (corpus: object, output: string, others: object = {}): RecipeInput => ({
  ...{ model: at('model'), output: at(output), target: 'zh', checkpointEvery: 1 },
  data: { corpora: [corpus as RecipeInput['data']['corpora'][number]], cache: at('cache') },
  optimizer: { steps: 2, batchSize: 2, warmup: 1 },
  ...others,
});

/** Trains; what is told meanwhile. */
async function trained(source: RecipeSource, options: TrainOptions = {}): Promise<string[]> {
  const notes: string[] = [];
  await train(source, { ...options, onNote: (note) => notes.push(note) });
  return notes;
}

/** FLEURS as it is on the hub, with sentences of some length. */
async function fleursFiles(sentence: (id: number) => string): Promise<Record<string, string | Buffer>> {
  const files: Record<string, string | Buffer> = {};
  for (const [set, ids] of [
    ['train', [1, 2, 3, 4]],
    ['dev', [5, 6]],
    ['test', [7, 8]],
  ] as const) {
    const rows = (text: (id: number) => string): string =>
      ids.map((id) => [id, `${id}.wav`, text(id), text(id), '', 16_000, 'FEMALE'].join('\t')).join('\n');
    files[`data/en_us/${set}.tsv`] = rows((id) => `Sentence ${id}`);
    files[`data/cmn_hans_cn/${set}.tsv`] = rows(sentence);
    const members = ids.map((id) => {
      const body = wavBytes(pseudo(16_000, id, 0.6));
      return { header: { name: `${set}/${id}.wav`, size: body.length, mtime: new Date(0) }, body };
    });
    files[`data/en_us/audio/${set}.tar.gz`] = gzipSync(await packTar(members));
  }
  return files;
}

beforeAll(async () => {
  hub = await startFakeHub();
  Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HOME: at('hf') });
  await writeTinyModel(at('model'));
  fleurs = hub.addRepo('google/fleurs', await fleursFiles((id) => `第${id}句`), 'dataset');
});

const weights = (output: string): Buffer => readFileSync(join(scratch, output, 'model.safetensors'));
const corporaOf = (output: string) =>
  JSON.parse(readFileSync(join(scratch, output, 'recipe.json'), 'utf8')).data.corpora;
const fetchedFiles = (): string[] =>
  hub.requests.filter(({ path, on }) => on === 'hub' && path.includes('/resolve/')).map(({ path }) => path);

test('train --dataset trains on FLEURS of the hub in one command, records its commit, and fetches what it needs once', async () => {
  const args =
    'train --dataset google/fleurs --from en_us --to cmn_hans_cn --dev-set dev --dev-every 2 --dev-clips 1 ' +
    '--model model --cache cache --steps 2 --batch-size 2 --warmup 1 --output out/a';
  const { stderr } = await promisify(execFile)(process.execPath, [program, ...args.split(' ')], {
    cwd: scratch,
  });
  expect(stderr).toContain('google/fleurs: read as fleurs: 4 en/train, 2 en/dev (6.0 s of speech)');
  expect(fetchedFiles().some((path) => path.includes('test.tar.gz'))).toBe(false);
  const pinned = `google/fleurs@${hub.head(fleurs)}`;
  expect(corporaOf('out/a')).toEqual([{ dataset: pinned, language: 'en_us' }]);
  // A second run finds files and manifest, and the recipe with the commit asks nothing.
  const prepared = readdirSync(at('cache/datasets'));
  expect(prepared).toHaveLength(1);
  hub.requests.length = 0;
  const recipe = { ...JSON.parse(readFileSync(at('out/a/recipe.json'), 'utf8')), model: at('model') };
  const data = { ...recipe.data, cache: at('cache') };
  const unpinned = { ...data, corpora: [{ ...FLEURS, language: 'en_us' }] };
  await trained({ ...recipe, data: unpinned, output: at('out/b') });
  expect(fetchedFiles()).toEqual([]);
  hub.requests.length = 0;
  await trained({ ...recipe, data, output: at('out/c') });
  expect(hub.requests).toEqual([]);
  expect(readdirSync(at('cache/datasets'))).toEqual(prepared);
  for (const output of ['out/b', 'out/c']) expect(weights(output).equals(weights('out/a'))).toBe(true);
});

test('--resume goes on with the commit that the run began with, when the branch has moved: the same weights, bit for bit', async () => {
  const before = hub.head(fleurs);
  await trained(recipeWith(FLEURS, 'out/whole'));
  await trained(recipeWith(FLEURS, 'out/parted'));
  // As a run that was killed after its first step left it.
  rmSync(at('out/parted/checkpoints/step-000002'), { recursive: true });
  rmSync(at('out/parted/model.safetensors'));
  hub.addRepo('google/fleurs', await fleursFiles((id) => `另${id}句话`), 'dataset');
  expect(hub.head(fleurs)).not.toBe(before);
  expect(await trained(recipeWith(FLEURS, 'out/parted'), { resume: true })).toContain(
    `google/fleurs: commit ${before.slice(0, 7)}, with which the run began`,
  );
  expect(weights('out/parted').equals(weights('out/whole'))).toBe(true);
  expect(corporaOf('out/parted')[0].dataset).toBe(`google/fleurs@${before}`);
  await trained(recipeWith(FLEURS, 'out/later'));
  expect(weights('out/later').equals(weights('out/whole'))).toBe(false);
});

test('a folder of this machine is a data set, too, with its options in the recipe; evaluation knows that a model was trained on it', async () => {
  mkdirSync(at('recordings'));
  const rows = [1, 2, 3, 4].map((id) => {
    writeFileSync(join(scratch, 'recordings', `${id}.wav`), wavBytes(pseudo(16_000, id, 0.6)));
    return `${id}.wav,Sentence ${id},第${id}句`;
  });
  writeFileSync(at('recordings/metadata.csv'), ['file_name,said,written', ...rows].join('\n'));
  mkdirSync(at('recipes'));
  const reading = { columns: ['text=said', 'text_zh=written', 'lang=:en'] };
  const corpus = { ...reading, dataset: '../recordings', limit: 3 };
  const file = at('recipes/local.json');
  writeFileSync(file, JSON.stringify(recipeWith(corpus, 'out/local')));
  const [note] = await trained(file);
  expect(note).toMatch(/recordings: read as audiofolder: 3 en; left out 1 by --limit$/);
  expect(corporaOf('out/local')).toEqual([{ ...corpus, dataset: at('recordings') }]);
  const notes: string[] = [];
  const evaluated = evaluate({
    ...{ manifest: at('recordings'), reading, from: 'en', models: [at('out/local')], output: at('out/e') },
    ...{ cache: at('cache'), onNote: (line: string) => notes.push(line) },
  });
  await evaluated.catch(() => {});
  expect(notes.join('\n')).toMatch(
    /3 recordings to evaluate are also among those that .*local was trained on/,
  );
});

test.each<[string, object, object, RegExp]>([
  [
    'an unknown data set',
    { dataset: 'acme/none', language: 'en' },
    {},
    /^acme\/none: the hub has no such repository, .* \(acme\/none: no such file or folder here, either\)$/,
  ],
  [
    'an unknown language',
    { ...FLEURS, language: 'xq' },
    {},
    /^FLEURS: found no folder of "xq"; expected a code such as fr/,
  ],
  [
    'no language spoken',
    { dataset: 'google/fleurs' },
    {},
    /^google\/fleurs: found no language spoken; expected it \(--from\)/,
  ],
  [
    'no target',
    FLEURS,
    { target: undefined },
    /^target: found nothing; expected the language to translate into/,
  ],
  [
    'an unknown revision',
    { ...FLEURS, dataset: 'google/fleurs@v9' },
    {},
    /^google\/fleurs@v9: the hub has no such revision/,
  ],
  [
    'a missing set',
    { ...FLEURS, set: 'tran' },
    {},
    /^google\/fleurs: found no set "tran"; expected train, dev, test$/,
  ],
  [
    'an unknown layout',
    { ...FLEURS, dataset: 'acme/texts' },
    {},
    /^acme\/texts: found no file like \*\.parquet .*; it has notes\.pdf/,
  ],
  [
    'a layout that is none',
    { ...FLEURS, layout: 'flores' },
    {},
    /^--layout: found "flores"; expected one of fleurs/,
  ],
  [
    'a path that is not there',
    { ...FLEURS, dataset: './gone' },
    {},
    /^\.\/gone: found neither a corpus nor a file of this name/,
  ],
  [
    'a manifest beside it',
    { ...FLEURS, manifest: 'm.tsv' },
    {},
    /^data\.corpora\.0\.manifest: found a data set, too; expected a manifest or a data set$/,
  ],
  [
    "another corpus' option",
    { ...FLEURS, columns: ['text=t'] },
    {},
    /^--columns: found it with fleurs; expected it with audiofolder or webdataset or table only$/,
  ],
])('%s is one line, before anything is fetched or written', async (_, corpus, others, message) => {
  hub.addRepo('acme/texts', { 'notes.pdf': 'x' }, 'dataset');
  hub.requests.length = 0;
  const error = await trained(recipeWith(corpus, 'out/refused', others)).catch((error: unknown) => error);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain('\n');
  expect(error).toBeInstanceOf(UserError);
  expect(fetchedFiles()).toEqual([]);
  expect(existsSync(at('out/refused'))).toBe(false);
});

test('offline: what was fetched before is used, and what was not is one line', async () => {
  await trained(recipeWith(FLEURS, 'out/online'));
  process.env.HF_HUB_OFFLINE = '1';
  await trained(recipeWith(FLEURS, 'out/offline'));
  expect(weights('out/offline').equals(weights('out/online'))).toBe(true);
  await expect(trained(recipeWith({ ...FLEURS, set: 'test' }, 'out/o'))).rejects.toThrow(
    /found no recordings of "test".* \(the hub was not asked: only what was fetched before is there\)$/,
  );
  await expect(trained(recipeWith({ ...FLEURS, dataset: 'acme/none' }, 'out/o'))).rejects.toThrow(
    /^acme\/none: found nothing in the cache .* HF_HUB_OFFLINE is set/,
  );
});
