import { expect, test } from 'vitest';
import { MASKED } from '../graph/ops.ts';
import { timestampBiases } from './timestamp-rules.ts';

const stamps = { first: 100, count: 6, latestBegin: 2 };
const rules = (tokens: number[]) => {
  const { wordBias, otherBias, timestampBias } = timestampBiases([tokens], stamps);
  return {
    words: wordBias.data[0] !== MASKED,
    others: otherBias.data[0] !== MASKED,
    stamps: [...timestampBias.data].map((bias) => Number(bias) !== MASKED),
  };
};

test('the text begins with a timestamp, and not late', () => {
  expect(rules([])).toEqual({ words: false, others: false, stamps: [true, true, true, false, false, false] });
});

test('after the first timestamp, and after a pair, comes text', () => {
  const none = [false, false, false, false, false, false];
  expect(rules([101])).toEqual({ words: true, others: true, stamps: none });
  expect(rules([101, 1, 103, 103])).toEqual({ words: true, others: true, stamps: none });
});

test('after text comes text, or a later timestamp', () => {
  expect(rules([101, 1])).toEqual({
    words: true,
    others: true,
    stamps: [false, false, true, true, true, true],
  });
});

test('after the timestamp that ends a segment comes the next one’s, which may be the same, or the end', () => {
  expect(rules([101, 1, 103])).toEqual({
    words: false,
    others: true,
    stamps: [false, false, false, true, true, true],
  });
});
