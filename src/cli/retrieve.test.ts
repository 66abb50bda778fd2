import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { embeddedSamples } from './embedded.ts';
import { retrieveCommand } from './retrieve.ts';

const folder = mkdtempSync(join(tmpdir(), 'retrieve-'));
const manifest = join(folder, 'manifest.tsv');
const said: string[] = [];
const warned: string[] = [];
vi.spyOn(console, 'log').mockImplementation((line) => said.push(String(line)));
vi.spyOn(process.stderr, 'write').mockImplementation((text) => warned.push(String(text)) > 0);
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** Five sentences that Catalan and English share, a second English recording of one, and a file that is no audio. */
beforeAll(() => {
  const [header, ...rows] = readFileSync(join(embeddedSamples, 'manifest.tsv'), 'utf8').trim().split('\n');
  const columns = header!.split('\t');
  const cell = (row: string, name: string) => row.split('\t')[columns.indexOf(name)]!;
  const clips = rows
    .filter((row) => cell(row, 'set') === 'intro')
    .map((row) => ({ lang: cell(row, 'lang'), key: cell(row, 'key'), audio: cell(row, 'audio') }));
  const catalan = clips.filter(({ lang }) => lang === 'ca').slice(0, 5);
  const english = catalan.map(({ key }) => clips.find((clip) => clip.lang === 'en' && clip.key === key)!);
  writeFileSync(join(folder, 'broken.ogg'), 'no audio');
  const chosen = [...catalan, ...english, { ...english[0]!, audio: english[1]!.audio }];
  const lines = chosen.map(
    ({ audio, lang, key }) => `${join(embeddedSamples, audio)}\t${lang}\tintro\t${key}`,
  );
  lines.push('broken.ogg\ten\tintro\textra', `${join(embeddedSamples, english[0]!.audio)}\tde\tother\talone`);
  writeFileSync(manifest, ['audio\tlang\tset\tkey', ...lines].join('\n'));
});

const retrieve = (...options: string[]) =>
  retrieveCommand(new Command('retrieve'))
    .exitOverride()
    .parseAsync([manifest, '--cache', join(folder, 'cache'), ...options], { from: 'user' });

test('finds Catalan sentences among English ones, and names the clips that it could not read', async () => {
  await retrieve('--set', 'intro', '--from', 'ca', '--to', 'en', '--json');
  const result = JSON.parse(said.at(-1)!);
  // One of two recordings of a sentence and the unreadable file are not candidates.
  expect(result).toMatchObject({ metric: 'seqsim', from: 'ca', to: 'en', n: 5, candidates: 5, exact: true });
  expect(result.chance).toBeCloseTo(0.2);
  expect(result.r1).toBeGreaterThanOrEqual(0.6);
  expect(result.r5).toBe(1);
  expect(result.meanPool.r5).toBe(1);
  expect(warned.join('')).toContain('broken.ogg');

  await retrieve('--set', 'intro', '--from', 'ca', '--to', 'en', '--json', '--shortlist', '3');
  expect(JSON.parse(said.at(-1)!)).toMatchObject({ exact: false, shortlist: 3, r1: result.r1 });
});

test('mistakes are reported in a line that says what the manifest has', async () => {
  await expect(retrieve('--from', 'xx', '--to', 'en')).rejects.toThrow('it has ca/intro, de/other, en/intro');
  await expect(retrieve('--from', 'de', '--to', 'en')).rejects.toThrow('no "de" clip');
});

test('compares metrics in both directions of all pairs, as a table, CSV and a page that asks the network for nothing', async () => {
  const [csv, html] = [join(folder, 'r.csv'), join(folder, 'r.html')];
  const metrics = [
    'seqsim',
    'seqsim+voiced+centre+weights',
    'seqsim+csls',
    'mean-pool',
    'dtw',
    'ot',
    'length',
  ];
  await retrieve(
    '--set',
    'intro',
    '--all-pairs',
    '--metrics',
    metrics.join(','),
    '--json',
    '--csv',
    csv,
    '--html',
    html,
  );
  const { pairs } = JSON.parse(said.at(-1)!);
  expect(pairs.map(({ from, to }: { from: string; to: string }) => `${from}-${to}`)).toEqual([
    'ca-en',
    'en-ca',
  ]);
  for (const pair of pairs) {
    expect(pair.metrics.map(({ metric }: { metric: string }) => metric)).toEqual(metrics);
    for (const one of pair.metrics) {
      expect(Object.keys(one)).toEqual(['metric', 'r1', 'r5', 'r10', 'mrr', 'ranks']);
      expect(one.r10).toEqual({ value: 1 });
    }
  }
  const lines = readFileSync(csv, 'utf8').trim().split('\n');
  expect(lines).toHaveLength(1 + 2 * metrics.length);
  expect(lines[0]).toContain('from,to,metric,n,candidates,chance,r1,r1_low,r1_high');
  const page = readFileSync(html, 'utf8');
  expect(page).toContain('<svg');
  expect(page).not.toMatch(/https?:|<script/);
});

test('metrics that there are not are refused', async () => {
  const asked = (list: string) => retrieve('--from', 'ca', '--to', 'en', '--metrics', list);
  await expect(asked('bleu')).rejects.toThrow('expected one of seqsim, mean-pool, dtw, ot, length');
  await expect(asked('seqsim+best')).rejects.toThrow('expected one of voiced, centre, weights, csls');
  await expect(asked('seqsim,seqsim')).rejects.toThrow('expected each once');
  await expect(retrieve('--from', 'ca')).rejects.toThrow('expected --from and --to, or --all-pairs');
});

test('a language against itself is refused; few sentences are said to be few, without interval and p', async () => {
  for (const to of ['ca', 'Catalan']) {
    await expect(retrieve('--from', 'ca', '--to', to)).rejects.toThrow('found the same language twice');
  }
  warned.length = 0;
  await retrieve('--set', 'intro', '--from', 'ca', '--to', 'en');
  expect(warned.join('')).toContain(
    'ca → en: 5 sentences in both languages; a figure is worth reading from about 100',
  );
  expect(said.join('\n')).not.toMatch(/\[\d/);
});
