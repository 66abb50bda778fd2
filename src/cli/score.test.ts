import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
function run(...args: string[]): string {
  let printed = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  try {
    scoreCommand().parse(args, { from: 'user' });
  } finally {
    write.mockRestore();
  }
  return printed;
}

const hyp = file('hyp.txt', '\ufeff他住在北京。\r\nHello\r\n我們走吧\r\n');
const ref = file('ref.txt', '他住在北京。\n你好。\n我们走吧');

test('prints one line of JSON with sacreBLEU signatures, error counts and the off-target rate', () => {
  const printed = run('--hyp', hyp, '--ref', ref, '--tokenize', 'zh', '--language', 'zh', '--json');
  expect(printed.indexOf('\n')).toBe(printed.length - 1);
  const scores = JSON.parse(printed);
  expect(scores.sentences).toBe(3);
  expect(scores.bleu.signature).toBe('nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0');
  expect(scores['chrf++'].signature).toContain('|nw:2|');
  expect(scores.ter.signature).toContain('|asian:yes|');
  expect(scores.cer).toMatchObject({ hits: 9, substitutions: 4, insertions: 2, deletions: 0 });
  expect(scores.wer.score).toBeCloseTo(200 / 3, 9);
  expect(scores.offTarget).toEqual({ language: 'zh', score: expect.closeTo(100 / 3, 9) });
});

test('--simplify makes Traditional output count', () => {
  const before = JSON.parse(run('--hyp', hyp, '--ref', ref, '--tokenize', 'zh', '--json'));
  const after = JSON.parse(run('--hyp', hyp, '--ref', ref, '--tokenize', 'zh', '--json', '--simplify'));
  expect(after.bleu.score).toBeGreaterThan(before.bleu.score);
  expect(before.offTarget).toBeNull();
});

test('without --json a table names every score; several references leave error rates out', () => {
  expect(run('--hyp', hyp, '--ref', ref, '--language', 'zh')).toMatch(
    /^BLEU +\d+\.\d\d {2}nrefs:1.*\n[\s\S]*MER/,
  );
  const two = run('--hyp', hyp, '--ref', ref, '--ref', hyp, '--language', 'zh');
  expect(two).toContain('BLEU        100.00  nrefs:2|');
  expect(two).not.toContain('WER');
});

test('Chinese scored with a tokenizer for English is warned of on stderr', () => {
  let warned = '';
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    warned += text;
    return true;
  });
  run('--hyp', hyp, '--ref', ref, '--language', 'zh');
  expect(warned).toBe('');
  run('--hyp', hyp, '--ref', ref, '--tokenize', '13a');
  write.mockRestore();
  expect(warned).toMatch(/references are Chinese.*--tokenize zh/);
});

test('an example stands in the help', () => {
  let help = '';
  scoreCommand()
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
  ['a missing file', () => ['--hyp', hyp, '--ref', join(folder, 'none')], /Cannot read .*none: ENOENT/],
  ['a folder', () => ['--hyp', folder, '--ref', ref], /Cannot read .*EISDIR/],
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
    'a line without end',
    () => ['--hyp', file('long', 'x'.repeat(200_000)), '--ref', ref],
    /long, line 1: 200000 bytes/,
  ],
  [
    'an unknown language',
    () => ['--hyp', hyp, '--ref', ref, '--language', 'klingon'],
    /"klingon" is not known/,
  ],
])('%s is a mistake told in one line', (_, args, message) => {
  let thrown: unknown;
  try {
    run(...args());
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(UserError);
  expect((thrown as Error).message).toMatch(message);
  expect((thrown as Error).message).not.toContain('\n');
});
