/** `train` with a recipe, on real clips: the laptop's for a tiny Whisper, two steps, kept beside the model, run again. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { readManifest } from '../data/manifest.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';

const repository = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'train-recipe-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function train(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = [repository('dist/cli/main.js'), 'train', ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, program, { cwd: scratch }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test("the laptop's recipe, two steps of it: the model and its recipe are there, and the recipe runs again", async () => {
  const manifest = await readManifest(repository('samples/manifest.tsv'));
  const of = (wanted: string, count: number) =>
    manifest.filter(({ language, set }) => language === 'en' && set === wanted).slice(0, count);
  const lines = [...of('train', 2), ...of('dev', 1)].map(({ audio, set, translations }) =>
    JSON.stringify({ audio, set, lang: 'en', zh: translations.zh }),
  );
  writeFileSync(join(scratch, 'clips.jsonl'), lines.join('\n'));
  writeFileSync(
    join(scratch, 'short.json'),
    JSON.stringify({
      extends: repository('recipes/laptop.json'),
      output: 'short',
      data: { corpora: [{ manifest: 'clips.jsonl', set: 'train' }], cache: 'cache' },
      optimizer: { steps: 2 },
    }),
  );
  await writeTinyModel(join(scratch, 'tiny'));
  const run = await train('short.json', '--model', 'tiny', '--batch-size', '2', '--json');
  expect(run, run.stderr).toMatchObject({ code: 0 });
  const printed = run.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(printed.map(({ step, steps }) => step ?? steps)).toEqual([1, 2, 2, 2]);
  expect(printed.at(-1)).toMatchObject({ model: 'short', examples: 2, evaluations: 1 });
  expect(existsSync(join(scratch, 'short/model.safetensors'))).toBe(true);

  const kept = JSON.parse(readFileSync(join(scratch, 'short/recipe.json'), 'utf8'));
  expect(kept).toMatchObject({
    output: '.',
    data: { corpora: [{ manifest: '../clips.jsonl', set: 'train' }], cache: '../cache' },
    optimizer: { steps: 2, batchSize: 2 },
    dev: { set: 'dev', every: 60 },
  });
  const again = await train('short/recipe.json', '--output', 'again', '--json');
  expect(again, again.stderr).toMatchObject({ code: 0 });
  for (const file of ['model.safetensors', 'recipe.json']) {
    const [first, second] = ['short', 'again'].map((folder) => readFileSync(join(scratch, folder, file)));
    expect(first!.equals(second!), file).toBe(true);
  }

  const other = await train('short/recipe.json', '--resume', '--optimizer.weightDecay', '0.5');
  expect(other).toMatchObject({ code: 2 });
  expect(other.stderr).toMatch(
    /found a checkpoint of optimizer\.weightDecay 0\.01; expected optimizer\.weightDecay 0\.5 as in this run\n$/,
  );
  const longer = await train('short/recipe.json', '--resume', '--steps', '3', '--threads', '3');
  expect(longer.stderr).toMatch(
    /found a checkpoint of threads 1, optimizer\.steps 2; expected threads 3, optimizer\.steps 3 as in this run; .*: --model short with another --output; --threads 1 computes as it did\n$/,
  );
  // Without --model it is Whisper base, whose width is 512.
  const wide = await train('short.json', '--lora', '4000', '--output', 'wide', '--cache', 'other-cache');
  expect(wide).toMatchObject({ code: 2 });
  expect(wide.stderr).toMatch(/^error: LoRA rank 4000: expected a whole number from 1 to the width, 512\n$/);
  for (const folder of ['other-cache', 'wide']) expect(existsSync(join(scratch, folder)), folder).toBe(false);
});
