/** `train` with mixed corpora, merging, augmentation and bounded padding, on a tiny model: what is told, what is written. */
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wavBytes } from '../audio/wav-write.ts';
import { pseudo, unit, writeTinyModel } from '../testing/tiny-model.ts';
import { recipeSchema } from './recipe.ts';
import { recipeClips } from './recipe-data.ts';

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'train-data-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function train(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, 'train', ...args], { cwd: scratch }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

beforeAll(async () => {
  await writeTinyModel(join(scratch, 'model'));
  mkdirSync(join(scratch, 'noise'));
  writeFileSync(join(scratch, 'noise/hum.wav'), wavBytes(pseudo(4000, 77, 1)));
  for (const [language, count] of [
    ['en', 12],
    ['fr', 6],
  ] as const) {
    const lines = Array.from({ length: count + 2 }, (_, i) => {
      const audio = `${language}-${i}.wav`;
      const duration = 1 + 2 * unit(i, 5);
      writeFileSync(join(scratch, audio), wavBytes(pseudo(Math.round(16_000 * duration), i, 0.6)));
      const set = i < count ? 'train' : 'dev';
      return JSON.stringify({
        audio,
        lang: language,
        set,
        zh: '你好'.repeat(1 + (i % 5)),
        duration_s: duration,
      });
    });
    writeFileSync(join(scratch, `${language}.jsonl`), lines.join('\n'));
  }
});

const recipe = {
  model: 'model',
  output: 'out',
  dtype: 'float32',
  data: {
    corpora: [
      { manifest: 'en.jsonl', set: 'train' },
      { manifest: 'fr.jsonl', set: 'train', weight: 3 },
    ],
    temperature: 2,
    mergeSeconds: 6,
    maxPadding: 0.2,
    cache: 'cache',
  },
  augment: { copies: 2, speed: [0.9, 1.1], noise: { folder: 'noise' }, specAugment: {} },
  optimizer: { steps: 6, batchSize: 4, warmup: 1 },
  dev: { set: 'dev', every: 3, clips: 2 },
};
const write = (name: string, changed: object) =>
  writeFileSync(join(scratch, name), JSON.stringify({ ...recipe, ...changed }));

test('corpora are merged, augmented, mixed; padding is reported and bounded; a resumed run ends with the same weights', async () => {
  write('all.json', {});
  const run = await train('all.json', '--json', '--checkpoint-every', '2');
  expect(run, run.stderr).toMatchObject({ code: 0 });
  expect(run.stderr).toMatch(/merged: 18 clips into \d+ of at most 6 s/);
  expect(run.stderr).toContain('augmented: 2 versions of each clip, encoded once');
  expect(run.stderr).toMatch(
    /batches: \d\.\d clips on average; padding is \d+\.\d % of the frames, \d+\.\d % of the tokens/,
  );
  const metrics = readFileSync(join(scratch, 'out/metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const steps = metrics.filter(({ loss }) => loss !== undefined);
  expect(steps).toHaveLength(6);
  for (const { framePadding, tokenPadding, clips } of steps) {
    expect(framePadding).toBeLessThanOrEqual(0.2);
    expect(tokenPadding).toBeLessThanOrEqual(0.2);
    expect(clips).toBeGreaterThan(0);
  }
  const summary = JSON.parse(run.stdout.trim().split('\n').at(-1)!);
  expect(summary.framePadding).toBeLessThanOrEqual(0.2);
  const weights = (folder: string) => readFileSync(join(scratch, folder, 'model.safetensors'));
  // Without the last checkpoint it goes on from the one before.
  const first = weights('out');
  rmSync(join(scratch, 'out/checkpoints/step-000006'), { recursive: true });
  const resumed = await train('all.json', '--json', '--checkpoint-every', '2', '--resume');
  expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
  expect(weights('out').equals(first)).toBe(true);
  // Other noise under the same name is another run.
  writeFileSync(join(scratch, 'noise/hum.wav'), wavBytes(pseudo(4000, 78, 1)));
  const other = await train('all.json', '--checkpoint-every', '2', '--resume');
  expect(other.code).toBe(2);
  expect(other.stderr).toMatch(/found a checkpoint of .*augmentation/);
});

test('a tuned encoder gets a new version at each visit, the same in every run', async () => {
  const { copies: _, ...augment } = recipe.augment;
  write('encoder.json', { augment, tune: { part: 'encoder' }, dev: undefined });
  const losses = async (output: string) => {
    const run = await train('encoder.json', '--json', '--output', output);
    expect(run, run.stderr).toMatchObject({ code: 0 });
    return run.stdout
      .trim()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).loss);
  };
  const first = await losses('encoder-1');
  expect(first).toHaveLength(6);
  expect(await losses('encoder-2')).toEqual(first);
});

test('a dev set of languages that are not trained leaves the training as it is, and is of these alone, in turns', async () => {
  const rows = ['en.jsonl', 'fr.jsonl'].map((file) => readFileSync(join(scratch, file), 'utf8'));
  writeFileSync(join(scratch, 'both.jsonl'), rows.join('\n'));
  const corpora = [{ manifest: join(scratch, 'both.jsonl'), set: 'train', language: 'en' }];
  const clips = (languages?: string[]) => {
    const dev = { set: 'dev', clips: 3, ...(languages && { languages }) };
    return recipeClips(recipeSchema.parse({ output: 'out', data: { corpora }, target: 'zh', dev }));
  };
  const usual = await clips();
  expect(usual.dev.map(({ language }) => language)).toEqual(['en', 'en']);
  const other = await clips(['fra', 'en']);
  expect(other.dev.map(({ language }) => language)).toEqual(['en', 'fr', 'en']);
  expect(other.training).toEqual(usual.training);
  expect((await clips(['French'])).dev.map(({ language }) => language)).toEqual(['fr', 'fr']);
});

test.each([
  [
    { augment: { copies: 2, speed: [0.9] }, tune: { part: 'all' } },
    /augment\.copies: found with a tuned encoder/,
  ],
  [{ augment: { copies: 2 } }, /augment: found nothing to do; expected speed, noise/],
  [
    { augment: { noise: { folder: 'absent' } } },
    /absent: found no such file; expected what the recipe has as augment\.noise\.folder/,
  ],
  [
    { augment: { noise: { folder: 'noise', snr: [9, 1] } } },
    /augment\.noise\.snr: found the lowest above the highest/,
  ],
  [{ data: { ...recipe.data, mergeSeconds: 31 } }, /data\.mergeSeconds: found 31; expected/],
  [{ dev: { set: 'none' } }, /no clip in set "none"; expected the dev set's in one of them/],
  [{ dev: { set: 'dev', languages: ['fr', 'de'] } }, /no clip of language "de" in set "dev"/],
  [{ dev: { set: 'dev', languages: ['xx'] } }, /no clip of language "xx" in set "dev"/],
])('%j is refused in one line', async (changed, message) => {
  write('refused.json', { ...changed, output: 'refused' });
  const run = await train('refused.json');
  expect(run.code).toBe(2);
  expect(run.stderr).toMatch(message);
  expect(run.stderr.trim().split('\n')).toHaveLength(1);
  expect(existsSync(join(scratch, 'refused/model.safetensors'))).toBe(false);
});

test('recordings of the dev set that are trained on under another name are reported before the first step', async () => {
  const row = (audio: string, set: string, zh = '你好') =>
    JSON.stringify({ audio, lang: 'en', set, zh, duration_s: 1.5 });
  mkdirSync(join(scratch, 'copies'));
  copyFileSync(join(scratch, 'en-1.wav'), join(scratch, 'copies/x.wav'));
  const own = [0, 1, 2, 3].map((i) => row(`en-${i}.wav`, 'train'));
  writeFileSync(
    join(scratch, 'own.jsonl'),
    [...own, row('copies/x.wav', 'dev'), row('en-5.wav', 'dev')].join('\n'),
  );
  writeFileSync(join(scratch, 'plain.jsonl'), own.join('\n'));
  writeFileSync(join(scratch, 'other.jsonl'), [row('en-2.wav', 'dev'), row('en-6.wav', 'train')].join('\n'));
  const plain = { mergeSeconds: undefined, cache: 'off', maxPadding: 1, temperature: 1 };
  const split = (name: string, ...manifests: string[]) =>
    write(name, {
      data: { ...recipe.data, ...plain, corpora: manifests.map((manifest) => ({ manifest })) },
      augment: undefined,
      optimizer: { steps: 1, batchSize: 2, warmup: 1 },
      output: name.replace('.json', ''),
      dev: { set: 'dev', every: 1 },
    });
  split('one.json', 'own.jsonl');
  const one = await train('one.json');
  expect(one.code, one.stderr).toBe(0);
  expect(one.stderr).toMatch(
    /^1 recording of the dev set is also among those to train on \(copies\/x\.wav has the content of en-1\.wav\): /m,
  );
  split('two.json', 'plain.jsonl', 'other.jsonl');
  const two = await train('two.json');
  expect(two.code, two.stderr).toBe(0);
  expect(two.stderr).toMatch(/^1 recording of the dev set is also among those to train on \(en-2\.wav\): /m);
});
