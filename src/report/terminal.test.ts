import { afterEach, expect, test, vi } from 'vitest';
import { displayWidth, fitWidth } from './display-width.ts';
import { table, usesColour } from './terminal.ts';

afterEach(() => vi.unstubAllEnvs());

test.each([
  ['abc', 3],
  ['中文', 4],
  ['e\u0301te', 3],
  ['，。「」', 8],
  ['ｆｕｌｌ', 8],
  ['ひらカナ한글', 12],
  ['👩‍👩‍👧 ok', 5],
  ['→ – …', 5],
  ['𠀀', 2],
  ['', 0],
])('%s takes %d columns', (text, width) => {
  expect(displayWidth(text)).toBe(width);
});

test('text is cut to fit without splitting a wide character', () => {
  expect(fitWidth('中文字', 6)).toBe('中文字');
  expect(fitWidth('中文字', 5)).toBe('中文…');
  expect(fitWidth('中文字', 4)).toBe('中…');
  expect(fitWidth('abc', 0)).toBe('');
});

const rows = [
  { name: '点击字母', bleu: 12.4 },
  { name: 'French', bleu: 3 },
];
const columns = [
  { heading: 'name', value: (row: (typeof rows)[number]) => row.name },
  { heading: 'BLEU', value: (row: (typeof rows)[number]) => row.bleu },
];

test('columns line up under Chinese, and numbers are right-aligned', () => {
  expect(table(rows, columns, { colour: false })).toBe(
    'name      BLEU\n────────  ────\n点击字母  12.4\nFrench       3\n',
  );
});

test('no rows give a heading, and ragged text gives no blanks at line ends', () => {
  expect(table([], columns, { colour: false })).toBe('name  BLEU\n────  ────\n');
  const text = table(rows, [...columns].reverse(), { colour: false });
  expect(text).not.toMatch(/ \n/);
});

test('colour does not change the alignment', () => {
  const coloured = table(
    rows,
    columns.map((column) => ({ ...column, style: () => 'green' as const })),
    { colour: true },
  );
  expect(coloured).toContain('\u001b[32m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes are what this removes
  expect(coloured.replace(/\u001b\[\d+m/g, '')).toBe(table(rows, columns, { colour: false }));
});

test('escape codes and line ends inside a cell are made harmless', () => {
  const text = table([{ name: 'a\u001b[2Jb\nc\td', bleu: 1 }], columns, { colour: false });
  expect(text).not.toContain('\u001b');
  expect(text.split('\n')).toHaveLength(4);
});

test('colour is for terminals, and NO_COLOR and TERM=dumb switch it off', () => {
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'xterm');
  expect(usesColour({})).toBe(false);
  expect(usesColour({ isTTY: true })).toBe(true);
  expect(usesColour({ isTTY: true, hasColors: () => false })).toBe(false);
  vi.stubEnv('NO_COLOR', '1');
  expect(usesColour({ isTTY: true })).toBe(false);
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('TERM', 'dumb');
  expect(usesColour({ isTTY: true })).toBe(false);
});
