import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { readArpa } from './arpa-read.ts';

const folder = mkdtempSync(join(tmpdir(), 'arpa-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string | Uint8Array): string {
  writeFileSync(join(folder, 'model.arpa'), content);
  return join(folder, 'model.arpa');
}

const ARPA = `\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-2\t<unk>
0\t<s>\t-0.5
-1\t</s>
-0.5\tein\t-0.25
-0.75\t字\t-0.125

\\2-grams:
-0.1\t<s> ein
-0.2\tein 字
-0.3\t字 </s>

\\end\\
`;

const scores = async (content: string | Uint8Array) =>
  (await readArpa(file(content))).sentence(['ein', '字', 'x', 'ein']);

test('plain, gzipped, with carriage returns, without a last line feed, with blanks for tabs: the same model', async () => {
  const plain = await scores(ARPA);
  const expected = [-0.1, -0.2, -0.125 - 2, -0.5, -0.25 - 1];
  plain.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6));
  expect(await scores(gzipSync(ARPA))).toEqual(plain);
  expect(await scores(ARPA.replaceAll('\n', '\r\n'))).toEqual(plain);
  expect(await scores(ARPA.trimEnd())).toEqual(plain);
  expect(await scores(ARPA.replaceAll('\t', ' '))).toEqual(plain);
  expect(await scores(`\n# made by hand\n${ARPA}\n\n`)).toEqual(plain);
});

test('a model of single words has no context', async () => {
  const unigrams = ARPA.replace(/ngram 2.*\n/, '').replace(/\\2-grams[\s\S]*?\n\n/, '');
  const found = await scores(unigrams.replace(/(\t[^\t\n]*)\t-.*/g, '$1'));
  [-0.5, -0.75, -2, -0.5, -1].forEach((value, i) => expect(found[i]).toBeCloseTo(value, 6));
});

test('numbers of all forms are read exactly', async () => {
  await fc.assert(
    fc.asyncProperty(fc.float({ min: -99, max: 0, noNaN: true }), async (value) => {
      const text = ARPA.replace('-0.1\t<s> ein', `${value}\t<s> ein`);
      expect(Math.fround((await readArpa(file(text))).sentence(['ein'])[0]!)).toBeCloseTo(value, 5);
    }),
    { numRuns: 50 },
  );
});

test('a large file is read in pieces, whatever their borders cut', async () => {
  const words = Array.from({ length: 60_000 }, (_, i) => `wört${i}é${'x'.repeat(i % 40)}`);
  const lines = words.map((word, i) => `-${(i % 90) / 10 + 1}\t${word}\t-0.5`);
  const text = `\\data\\\nngram 1=${words.length + 2}\n\n\\1-grams:\n-1\t<s>\n-1\t</s>\n${lines.join('\n')}\n\n\\end\\\n`;
  const model = await readArpa(file(text.replaceAll('\t-0.5', '')));
  const found = model.sentence(words);
  expect(found.slice(0, -1).every((value, i) => Math.abs(value + (i % 90) / 10 + 1) < 1e-5)).toBe(true);
});

const wrong: [string, string | Uint8Array, RegExp][] = [
  ['an empty file', '', /model\.arpa:0: found the end of the file; expected "\\end\\"/],
  ['another kind of file', 'I am no model.\n', /:1: found "I am no model\."; expected the line "\\data\\"/],
  ['bytes', Buffer.alloc(3_000_000, 1), /found a line of more than/],
  ['no counts', '\\data\\\n\n\\1-grams:\n', /:3: found "\\\\1-grams:"; expected "ngram 1=<count>"/],
  [
    'counts out of order',
    ARPA.replace('ngram 2', 'ngram 3'),
    /:3: found "ngram 3=3"; expected "ngram 2=<count>"/,
  ],
  ['a count that is no number', ARPA.replace('2=3', '2=many'), /:3: found "ngram 2=many"/],
  [
    'an order too high',
    `\\data\\\n${[1, 2, 3, 4, 5, 6, 7].map((n) => `ngram ${n}=1\n`).join('')}`,
    /:8: found "ngram 7=1"; expected a model of at most order 6/,
  ],
  ['too few n-grams', ARPA.replace('2=3', '2=4'), /:16: found "" after 3 2-grams; expected 4, as the header/],
  ['too many n-grams', ARPA.replace('2=3', '2=2'), /:15: found "-0\.3.*expected "\\end\\", as all 2 2-grams/],
  ['an absurd count', ARPA.replace('2=3', '2=99999999999'), /:16: found "" after 3 2-grams/],
  ['sections out of order', ARPA.replace('\\2-', '\\3-'), /:12: found "\\\\3-grams:"; expected "\\2-grams:"/],
  [
    'no end',
    ARPA.replace('\\end\\\n', ''),
    /:16: found the end of the file; expected "\\end\\": it was cut off/,
  ],
  ['more after the end', `${ARPA}more\n`, /:18: found "more"; expected nothing after/],
  ['NaN', ARPA.replace('-0.2\t', 'NaN\t'), /:14: found "NaN"; expected a log10 probability/],
  ['infinity', ARPA.replace('-0.2\t', '-inf\t'), /:14: found "-inf"/],
  ['no number', ARPA.replace('-0.2\t', '-0.2.1\t'), /:14: found "-0\.2\.1"/],
  [
    'a positive probability',
    ARPA.replace('-0.2\t', '0.2\t'),
    /:14: found the log10 probability 0\.2; expected at most 0/,
  ],
  ['a bad back-off', ARPA.replace('-0.25', 'x'), /:9: found "x"; expected a log10 back-off/],
  ['a back-off of the highest order', ARPA.replace('字 </s>', '字 </s>\t-1'), /:15: found the back-off -1/],
  ['too few words', ARPA.replace('ein 字', 'ein'), /:14: found too few words/],
  ['too many words', ARPA.replace('ein 字', 'ein 字 字'), /:14: found "字"; expected a log10 back-off/],
  ['an unknown word', ARPA.replace('ein 字', 'ein zwei'), /:14: found the word "zwei" in a 2-gram/],
  ['a word twice', ARPA.replace('\t字\t', '\tein\t'), /:10: found the word "ein" again/],
  ['an n-gram twice', ARPA.replace('字 </s>', 'ein 字'), /:15: found .* again; expected each n-gram once/],
  ['no <s>', ARPA.replace('\t<s>\t', '\tzwei\t'), /:12: found no <s> among the 1-grams/],
  [
    'a context that is no n-gram',
    ARPA.replace('2=3', '2=3\nngram 3=1').replace('\\end', '\\3-grams:\n-1\tein ein 字\n\n\\end'),
    /:19: found .*; expected its first 2 words as a 2-gram/,
  ],
  [
    'a word not in UTF-8',
    Buffer.from(ARPA.replace('字', 'é'), 'latin1'),
    /:10: found a word that is not UTF-8/,
  ],
  ['gzip data cut off', gzipSync(ARPA).subarray(0, 90), /found the end of the gzipped data/],
  [
    'gzip data damaged',
    Buffer.concat([gzipSync(ARPA).subarray(0, 20), Buffer.alloc(60, 7)]),
    /damaged gzip data/,
  ],
];
test.each(wrong)('%s: one line that names file and line', async (_, content, message) => {
  const error = await readArpa(file(content)).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).toMatch(message);
  expect(error.message).toContain('model.arpa');
  expect(error.message).not.toContain('\n');
});

test('no file and a folder are mistakes of the user, too', async () => {
  await expect(readArpa(join(folder, 'none.arpa'))).rejects.toThrow(/none\.arpa: found no such file/);
  await expect(readArpa(folder)).rejects.toThrow(UserError);
});

test('a file that was cut off anywhere is refused, never half read', async () => {
  const bytes = Buffer.from(ARPA);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 3 }), async (length) => {
      await expect(readArpa(file(bytes.subarray(0, length)))).rejects.toThrow(UserError);
    }),
    { numRuns: 100 },
  );
});

test('whatever byte is changed, the answer is a model or one clear line', async () => {
  const bytes = Buffer.from(ARPA);
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), async (at, value) => {
      const changed = Buffer.from(bytes);
      changed[at] = value;
      const outcome = await readArpa(file(changed)).then(
        (model) => model.sentence(['ein']).every(Number.isFinite),
        (error) => error instanceof UserError,
      );
      expect(outcome).toBe(true);
    }),
    { numRuns: 300 },
  );
});
