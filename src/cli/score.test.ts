import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { afterAll, expect, test, vi } from 'vitest';
import { UserError } from '../errors.ts';
import { scoreCommand } from './score.ts';

const folder = mkdtempSync(join(tmpdir(), 'score-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** What the command prints. */
async function run(...args: string[]): Promise<string> {
  let printed = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  try {
    await scoreCommand(new Command('score')).parseAsync(args, { from: 'user' });
  } finally {
    write.mockRestore();
  }
  return printed;
}

const hyp = file('hyp.txt', '\ufeff他住在北京。\r\nHello\r\n我們走吧\r\n');
const ref = file('ref.txt', '他住在北京。\n你好。\n我们走吧');

test('prints one line of JSON with sacreBLEU signatures, error counts and the off-target rate', async () => {
  const printed = await run('--hyp', hyp, '--ref', ref, '--tokenize', 'zh', '--language', 'zh', '--json');
  expect(printed.indexOf('\n')).toBe(printed.length - 1);
  const scores = JSON.parse(printed);
  expect(scores.sentences).toBe(3);
  expect(scores.bleu.signature).toBe('nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0');
  expect(scores['chrf++'].signature).toContain('|nw:2|');
  expect(scores.ter.signature).toContain('|asian:yes|');
  expect(scores.cer).toMatchObject({ hits: 9, substitutions: 4, insertions: 2, deletions: 0 });
  expect(scores.wer.score).toBeCloseTo(200 / 3, 9);
  expect(scores.offTarget).toMatchObject({ language: 'zh', score: expect.closeTo(100 / 3, 9) });
  expect(scores.hallucination).toMatchObject({ score: 0, looping: 0 });
  expect(scores.comet).toBeNull();
  for (const { score, interval } of [scores.bleu, scores.chrf, scores.ter, scores.wer, scores.offTarget]) {
    expect(interval.low).toBeLessThanOrEqual(score);
    expect(interval.high).toBeGreaterThanOrEqual(score);
  }
});

test('--simplify makes Traditional output count', async () => {
  const before = JSON.parse(await run('--hyp', hyp, '--ref', ref, '--tokenize', 'zh', '--json'));
  const after = JSON.parse(await run('--hyp', hyp, '--ref', ref, '--tokenize', 'zh', '--json', '--simplify'));
  expect(after.bleu.score).toBeGreaterThan(before.bleu.score);
  expect(before.offTarget).toBeNull();
});

test('without --json a table names every score; several references leave error rates out', async () => {
  const one = await run('--hyp', hyp, '--ref', ref, '--language', 'zh');
  expect(one).toMatch(/^metric +score +2\.5 % +97\.5 % +signature\n/);
  for (const name of ['BLEU', 'chrF', 'chrF++', 'TER', 'WER', 'CER', 'MER', 'off-target', 'hallucination'])
    expect(one).toMatch(new RegExp(`\n${name.replaceAll('+', '\\+')} +\\d+\\.\\d\\d +\\d`));
  const two = await run('--hyp', hyp, '--ref', ref, '--ref', hyp, '--to', 'zh');
  expect(two).toMatch(/BLEU +100\.00 .*nrefs:2\|/);
  expect(two).not.toContain('WER');
});

test('options of BLEU stand in its signature; only the metrics asked for are computed', async () => {
  const options = ['--tokenize', 'char', '--smooth', 'add-k', '--smooth-value', '0.5', '--effective-order'];
  const scores = JSON.parse(
    await run('--hyp', hyp, '--ref', ref, '--json', '--lowercase', ...options, '--metrics', 'bleu', 'wer'),
  );
  expect(scores.bleu.signature).toBe('nrefs:1|case:lc|eff:yes|tok:char|smooth:add-k[0.50]|version:2.6.0');
  expect(scores.wer.signature).toBe('words between blanks, lowercased');
  expect(scores.chrf).toBeNull();
});

const worse = file('worse.txt', '他在北京。\n好\n我们走');

test('a baseline, or a first of several outputs, is compared with: difference and p-value', async () => {
  const args = ['--ref', ref, '--tokenize', 'zh', '--metrics', 'chrf', 'cer', '--json'];
  const lines = (await run('--hyp', ref, '--baseline', worse, ...args)).split('\n');
  const [baseline, system] = lines.slice(0, 2).map((line) => JSON.parse(line));
  expect(lines).toHaveLength(3);
  expect([baseline.hypotheses, system.hypotheses]).toEqual([worse, ref]);
  expect(baseline.chrf.comparison).toBeUndefined();
  expect(system.chrf.comparison.difference).toBeCloseTo(system.chrf.score - baseline.chrf.score, 9);
  expect(system.chrf.comparison.pValue).toBeGreaterThan(0);
  expect(system.chrf.comparison.pValue).toBeLessThan(0.1);
  expect(system.cer.comparison.difference).toBeLessThan(0);
  expect(system.resampling).toEqual({ test: 'bootstrap', samples: 1000, seed: 12345 });
  expect(await run('--hyp', worse, '--hyp', ref, ...args)).toBe(lines.join('\n'));
  const randomized = (
    await run('--hyp', worse, '--hyp', ref, ...args, '--paired-test', 'randomization')
  ).split('\n');
  // Three sentences have eight swaps, and two of them differ as much; "above" leaves those out.
  expect(JSON.parse(randomized[1]!).chrf.comparison.pValue).toBeCloseTo(1 / 10_001, 9);
});

test('COMET scores made elsewhere stand beside the others', async () => {
  const numbers = file('comet.txt', '0.9\n0.1\n0.8\n');
  const printed = file(
    'printed.txt',
    'a.txt\tSegment 0\tscore: 0.5\na.txt\tSegment 1\tscore: 0\na.txt\tSegment 2\tscore: 1\n',
  );
  const table = await run(
    '--hyp',
    worse,
    '--hyp',
    hyp,
    '--ref',
    ref,
    '--language',
    'zh',
    '--comet',
    printed,
    '--comet',
    numbers,
  );
  expect(table).toMatch(/COMET +\S*worse\.txt +0\.5000 /);
  expect(table).toMatch(/COMET +\S*hyp\.txt +0\.6000 .* 0\.1000 +[01]\.\d{4} /);
});

test.each([
  ['markdown', /^\| metric \| score \| 2\.5 % \|.*\n\| :--- \| ---: \|/],
  ['csv', /^metric,score,2\.5 %,97\.5 %,signature\nBLEU,\d+\.\d\d,/],
  ['latex', /\\begin\{tabular\}\{lrrrl\}\n\\toprule/],
])('--format %s', async (format, expected) => {
  expect(await run('--hyp', hyp, '--ref', ref, '--language', 'zh', '--format', format)).toMatch(expected);
});

test('tokenizers with a model are loaded by name', async () => {
  const model = fileURLToPath(new URL('../metrics/golden/small.spm.model', import.meta.url));
  const sentences = file('ja.txt', '彼は手紙を書く。\n漢字を学ばないで日本語の勉強はできない。');
  const args = ['--hyp', sentences, '--ref', sentences, '--metrics', 'bleu', '--json'];
  const pieces = JSON.parse(await run(...args, '--tokenize', 'flores200', '--spm-model', model));
  expect(pieces.bleu.signature).toContain('|tok:flores200|');
  expect(pieces.bleu.score).toBeCloseTo(100, 9);
  const words = JSON.parse(await run(...args, '--tokenize', 'ja-mecab'));
  expect(words.bleu.signature).toContain('|tok:ja-mecab-0.996-IPA|');
});

test('Chinese scored with a tokenizer for English is warned of on stderr', async () => {
  let warned = '';
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    warned += text;
    return true;
  });
  await run('--hyp', hyp, '--ref', ref, '--language', 'zh');
  expect(warned).toBe('');
  await run('--hyp', hyp, '--ref', ref, '--tokenize', '13a');
  write.mockRestore();
  expect(warned).toMatch(/references are Chinese.*--tokenize zh/);
});

test('an example stands in the help', () => {
  let help = '';
  scoreCommand(new Command('score'))
    .configureOutput({ writeOut: (text) => (help += text) })
    .outputHelp();
  expect(help).toContain('$ whisper-transfer score --hyp');
});

test.each([
  [
    'unequal line counts',
    () => ['--hyp', hyp, '--ref', file('two.txt', 'a\nb\n')],
    /two\.txt has 2 lines, but .*hyp\.txt has 3/,
  ],
  [
    'a missing file',
    () => ['--hyp', hyp, '--ref', join(folder, 'none')],
    /none: found no such file; expected text/,
  ],
  ['a folder', () => ['--hyp', folder, '--ref', ref], /found a directory; expected text/],
  ['an empty file', () => ['--hyp', file('empty', ''), '--ref', ref], /empty is empty/],
  [
    'UTF-16',
    () => ['--hyp', file('wide', Buffer.from('\ufeffab\ncd', 'utf16le')), '--ref', ref],
    /wide, line 1: not valid UTF-8/,
  ],
  [
    'a cut-off character',
    () => ['--hyp', file('cut', Buffer.from([0x61, 0x0a, 0xe4, 0xb8])), '--ref', ref],
    /cut, line 2: not valid/,
  ],
  [
    '10 MB in a line',
    () => ['--hyp', file('book', 'x'.repeat(10_000_000)), '--ref', ref],
    /book, line 1: 10000000 bytes/,
  ],
  ['a byte order mark alone', () => ['--hyp', file('mark', '\ufeff'), '--ref', ref], /mark is empty/],
  [
    'a baseline of other length',
    () => ['--hyp', hyp, '--baseline', file('short', 'a\n'), '--ref', ref],
    /hyp\.txt has 3 lines, but .*short has 1/,
  ],
  [
    'a COMET file of other length',
    () => ['--hyp', hyp, '--ref', ref, '--comet', file('few', '0.5\n0.5\n')],
    /few has 2 COMET scores, but .*hyp\.txt has 3 lines/,
  ],
  [
    'a COMET file that is no text',
    () => ['--hyp', hyp, '--ref', ref, '--comet', file('binary', Buffer.from([0xff, 0xfe]))],
    /binary: found bytes that are not UTF-8 text; expected scores/,
  ],
  [
    'one COMET file for two outputs',
    () => ['--hyp', hyp, '--hyp', worse, '--ref', ref, '--comet', ref],
    /1 --comet files for 2 outputs/,
  ],
  [
    'a smoothing value without its smoothing',
    () => ['--hyp', hyp, '--ref', ref, '--smooth-value', '1'],
    /--smooth floor or add-k, not exp/,
  ],
  [
    'an error rate with two references',
    () => ['--hyp', hyp, '--ref', ref, '--ref', ref, '--metrics', 'wer'],
    /wer needs exactly one reference/,
  ],
  [
    'an off-target rate without a language',
    () => ['--hyp', hyp, '--ref', ref, '--metrics', 'off-target'],
    /needs the language of the texts \(--to\)/,
  ],
  [
    'a SentencePiece model that is not there',
    () => ['--hyp', hyp, '--ref', ref, '--tokenize', 'flores200', '--spm-model', join(folder, 'none.model')],
    /none\.model: no such file; expected a SentencePiece model/,
  ],
  [
    'a SentencePiece model for a tokenizer without',
    () => ['--hyp', hyp, '--ref', ref, '--spm-model', ref],
    /--spm-model goes with tokenizer flores101 or flores200, not 13a/,
  ],
  [
    'a line without end',
    () => ['--hyp', file('long', 'x'.repeat(200_000)), '--ref', ref],
    /long, line 1: 200000 bytes/,
  ],
  [
    'an unknown language',
    () => ['--hyp', hyp, '--ref', ref, '--to', 'klingon', '--metrics', 'off-target'],
    /--to: found "klingon"; expected a language/,
  ],
])('%s is a mistake reported in one line', async (_, args, message) => {
  let thrown: unknown;
  try {
    await run(...args());
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(UserError);
  expect((thrown as Error).message).toMatch(message);
  expect((thrown as Error).message).not.toContain('\n');
});
