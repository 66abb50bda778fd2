// Protects the embedded recordings: what the demo calls held out must not be in its training set.

import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';

const folder = new URL('../../samples/', import.meta.url);
const [header = '', ...lines] = readFileSync(new URL('manifest.tsv', folder), 'utf8').trimEnd().split('\n');
const names = header.split('\t');
const rows = lines.map((line) => {
  const cells = line.split('\t');
  const cell = (name: string) => cells[names.indexOf(name)] ?? '';
  return {
    ...{ audio: cell('audio'), lang: cell('lang'), set: cell('set'), key: cell('key') },
    ...{ en: cell('en'), zh: cell('zh'), seconds: Number(cell('duration_s')), voice: cell('voice') },
  };
});

const english = (row: { en: string }) => (row.en.toLowerCase().match(/[a-z0-9']+/g) ?? []).join(' ');
const chinese = (row: { zh: string }) => (row.zh.match(/\p{Script=Han}/gu) ?? []).join('');

test('no sentence of new, dev or test is in train, in English or in Chinese', () => {
  const train = rows.filter((row) => row.set === 'train');
  const known = new Set([...train.map(english), ...train.map(chinese)]);
  const heldOut = rows.filter((row) => ['new', 'dev', 'test'].includes(row.set));
  expect(heldOut).toHaveLength(3 * 60 + 50 + 60);
  expect(heldOut.filter((row) => known.has(english(row)) || known.has(chinese(row)))).toEqual([]);
});

test('the new sentences are the same in French, German and the English control', () => {
  const sentences = (lang: string) =>
    rows
      .filter((row) => row.set === 'new' && row.lang === lang)
      .map((row) => `${row.key} ${row.en} ${row.zh}`);
  expect(sentences('fr')).toHaveLength(60);
  expect(sentences('de')).toEqual(sentences('fr'));
  expect(sentences('en')).toEqual(sentences('fr'));
});

test('every recording exists and says whether its voice is real', () => {
  for (const row of rows) {
    expect(statSync(new URL(row.audio, folder)).size, row.audio).toBeGreaterThan(500);
    expect(row.voice, row.audio).toMatch(/^(real|synthetic), /);
  }
});

test('every hundredth recording decodes and lasts what the manifest says', async () => {
  for (const row of rows.filter((_, i) => i % 100 === 0)) {
    const samples = await readAudio(fileURLToPath(new URL(row.audio, folder)));
    expect(Math.abs(samples.length / 16_000 - row.seconds), row.audio).toBeLessThan(0.1);
  }
});
