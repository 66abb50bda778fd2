import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { analyseCommand } from './analyse.ts';
import { embeddedSamples } from './embedded.ts';

const folder = mkdtempSync(join(tmpdir(), 'analyse-'));
const manifest = join(folder, 'manifest.tsv');
vi.spyOn(console, 'log').mockImplementation(() => {});
vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const keys = ['algebra_by', 'clockgame', 'colors', 'maze', 'money'];

beforeAll(async () => {
  // As many decoder layers and heads as Whisper base, whose settings name those that follow the speech.
  await writeTinyModel(join(folder, 'model'), { encoderLayers: 2, decoderLayers: 6, decoderHeads: 8 });
  const lines = ['ca', 'en'].flatMap((language) =>
    keys.map((key) =>
      [
        join(embeddedSamples, 'gcompris', language, `${key}.opus`),
        language,
        key,
        `the <b>${key}</b>`,
        `el ${key}`,
      ].join('\t'),
    ),
  );
  writeFileSync(manifest, ['audio\tlang\tkey\ten\tsource_text', ...lines].join('\n'));
});

const analyse = (...options: string[]) =>
  analyseCommand(new Command('analyse'))
    .exitOverride()
    .parseAsync([manifest, '--model', join(folder, 'model'), '--cache', join(folder, 'cache'), ...options], {
      from: 'user',
    });

test('leaves a page that asks the network for nothing, and each of its figures as SVG and CSV', async () => {
  const output = join(folder, 'out');
  await analyse(
    ...['--layers', '--phonetic', '--project', '--pair', 'ca:maze,en:maze', '--neighbours', 'en:money'],
    ...[
      '--metrics',
      'seqsim,mean-pool',
      '--early-exit',
      '0,2',
      '--early-exit-clips',
      '1',
      '--output-dir',
      output,
    ],
  );
  const page = readFileSync(join(output, 'report.html'), 'utf8');
  expect(page).not.toMatch(/https?:|<link|<img|\sstyle=|\son[a-z]+=/i);
  expect(page).not.toContain('<b>maze');
  for (const heading of [
    'Retrieval',
    'Layer by layer',
    'Sound or sense',
    'Early exit',
    'Nearest neighbours',
  ]) {
    expect(page).toContain(`<h2>${heading}</h2>`);
  }
  // Every sound that can be clicked is in the page.
  const players = new Set([...page.matchAll(/<audio id="([^"]+)"/g)].map(([, id]) => id));
  const played = [...page.matchAll(/data-play="([^"]+)"/g)].flatMap(([, parts]) => parts!.split(' '));
  expect(played.length).toBeGreaterThan(10);
  for (const part of played) expect(players).toContain(part.split('@')[0]);
  const files = readdirSync(join(output, 'figures'));
  const named = (ending: string) =>
    files.filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -4));
  expect(named('.svg')).toEqual(named('.csv'));
  const layers = readFileSync(join(output, 'figures', 'layers-seqsim-normed.csv'), 'utf8')
    .trim()
    .split('\n');
  expect(layers).toHaveLength(1 + 3 * 2); // three layers, two directions
  // The sentences are their keys in both languages: all share that word.
  const phonetic = readFileSync(join(output, 'figures', 'phonetic-seqsim.csv'), 'utf8');
  expect(phonetic).toContain('ca,en,seqsim,some word alike,5');
});

test('mistakes are reported before any long work', async () => {
  await expect(analyse('--pair', 'ca:maze,en:none')).rejects.toThrow('found no clip "en:none"');
  await expect(analyse('--layers', '9')).rejects.toThrow('found layer 9; expected 0 to 2');
  await expect(analyse('--layers', 'all')).rejects.toThrow('found the layers "all"');
  await expect(analyse('--pair', 'ca:maze')).rejects.toThrow('found the pair "ca:maze"');
});
