import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { readManifest } from '../data/manifest.ts';
import { knownRecordings } from './known-recordings.ts';

const clips = fileURLToPath(new URL('../../samples/gcompris/fr', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'known-recordings-'));
afterAll(() => rmSync(folder, { recursive: true }));

mkdirSync(join(folder, 'model'));
for (const [name, to] of [
  ['maze', 'a.opus'],
  ['algebra_by', 'b.opus'],
  ['maze', 'copy.opus'],
  ['algebra_by', 'model/other.opus'],
]) {
  copyFileSync(join(clips, `${name}.opus`), join(folder, to!));
}
writeFileSync(
  join(folder, 'm.tsv'),
  'audio\tset\ttext\na.opus\ttest\tx\nb.opus\ttest\tx\ncopy.opus\ttrain\tx\n',
);
writeFileSync(join(folder, 'model/train.tsv'), 'audio\tset\ttext_zh\nother.opus\ttrain\tx\na.opus\tdev\tx\n');

test('what is evaluated and stands in another set, or was trained on by a model, is reported', async () => {
  writeFileSync(
    join(folder, 'model/recipe.json'),
    JSON.stringify({ output: '.', data: { corpora: [{ manifest: 'train.tsv' }] }, dev: { set: 'dev' } }),
  );
  const all = await readManifest(join(folder, 'm.tsv'));
  const tested = all.filter(({ set }) => set === 'test');
  const model = join(folder, 'model');
  expect((await knownRecordings(all, tested, { models: [model] })).join('\n').replaceAll(folder, '')).toBe(
    '1 recording to evaluate is also among those of other sets (/a.opus has the content of /copy.opus): ' +
      'scores on such recordings are no proof\n' +
      '1 recording to evaluate is also among those that /model was trained on (/b.opus has the content of ' +
      '/model/other.opus): scores on such recordings are no proof',
  );
  expect(await knownRecordings(all, [], { models: [model] })).toEqual([]);
});

test('a recipe that is gone, damaged, or of manifests that are, is no reason to stop', async () => {
  const all = await readManifest(join(folder, 'm.tsv'));
  const only = all.slice(1, 2);
  const model = join(folder, 'model');
  for (const recipe of [
    '{',
    '{"data": 3}',
    '{"output": ".", "data": {"corpora": [{"manifest": "gone.tsv"}]}}',
  ]) {
    writeFileSync(join(model, 'recipe.json'), recipe);
    expect(await knownRecordings(only, only, { models: [model] })).toEqual([]);
  }
  rmSync(join(model, 'recipe.json'));
  expect(await knownRecordings(only, only, { models: [model] })).toEqual([]);
});
