/** What is shown beside each other, and which words are lit. */
import { expect, test } from 'vitest';
import { alignRows, begunAt, rowsOf, wholeSentences, withWords, wordsInText } from './browser/rows.ts';

const piece = (start: number, end: number, text = '') => ({ start, end, text });

test('segments of two sides that overlap share a row, and no segment is in two', () => {
  const original = [piece(0, 4), piece(4, 9), piece(12, 15)];
  const translation = [piece(0.2, 8.9), piece(12.1, 13), piece(13, 15.2), piece(20, 21)];
  const rows = alignRows({ original, translation });
  expect(
    rows.map(({ start, end, pieces }) => [start, end, pieces.original.length, pieces.translation.length]),
  ).toEqual([
    [0, 9, 2, 1],
    [12, 15.2, 1, 2],
    [20, 21, 0, 1],
  ]);
});

test('ends that run over a little do not join rows', () => {
  const rows = alignRows({
    original: [piece(0, 5.2), piece(5, 9)],
    translation: [piece(0, 5.1), piece(5.05, 9)],
  });
  expect(rows).toHaveLength(2);
});

test('one side alone has its own rows, in order', () => {
  expect(
    alignRows({ original: [], translation: [piece(3, 4), piece(0, 1)] }).map(({ start }) => start),
  ).toEqual([0, 3]);
});

test('English that was written first stands beside its translation, also where segments have no length', () => {
  const translation = [
    { ...piece(0, 0, '一'), english: piece(0, 0, 'one') },
    { ...piece(0, 0, '二'), english: piece(0, 0, 'two') },
  ];
  const rows = rowsOf({ original: [piece(0, 0, 'one'), piece(0, 0, 'two')], translation });
  expect(rows.map(({ pieces }) => [pieces.original[0]!.text, pieces.translation[0]!.text])).toEqual([
    ['one', '一'],
    ['two', '二'],
  ]);
});

const words = (...texts: string[]) => texts.map((text, i) => ({ start: i, end: i + 1, text }));
const textsOf = (found: ReturnType<typeof wordsInText>) => found?.map(({ text }) => text);

test('words take the spaces and punctuation of the text with them: joined they are the text', () => {
  const found = wordsInText('«Bonjour», dit-elle.', words('Bonjour', 'dit', 'elle.'));
  expect(textsOf(found)).toEqual(['«Bonjour», ', 'dit-', 'elle.']);
  expect(textsOf(wordsInText('你好，世界。', words('你好', '世界')))).toEqual(['你好，', '世界。']);
  expect(textsOf(wordsInText('no no no', words('no', 'no', 'no')))).toEqual(['no ', 'no ', 'no']);
});

test('words that are not those of the text leave it without', () => {
  expect(wordsInText('one two', words('one', 'three'))).toBeUndefined();
  expect(wordsInText('', [])).toBeUndefined();
  expect(withWords(piece(0, 1, 'one two'), words('four'))).toEqual(piece(0, 1, 'one two'));
});

test('what has begun at a time', () => {
  const sorted = [piece(1, 2), piece(3, 4), piece(8, 9)];
  expect([0.9, 1, 2.9, 3, 7, 8, 100].map((time) => begunAt(sorted, time))).toEqual([-1, 0, 0, 1, 1, 2, 2]);
  expect(begunAt([], 5)).toBe(-1);
});

test('whole sentences are read aloud, the rest waits', () => {
  expect(wholeSentences('It is 3.5 m. Then')).toEqual(['It is 3.5 m.', ' Then']);
  expect(wholeSentences('大家好。今天')).toEqual(['大家好。', '今天']);
  expect(wholeSentences('It goes on')).toEqual(['', 'It goes on']);
  expect(wholeSentences('It ends.')).toEqual(['', 'It ends.']); // '3.' may become '3.5'
});
