import { expect, test } from 'vitest';
import { dynamicTimeWarp, medianFilter } from './alignment.ts';
import { wordsOfSegments } from './word-timestamps.ts';

test('dynamic time warping follows the ridge', () => {
  const rows = [
    [5, 5, -1, -1, -1],
    [-1, -1, 5, -1, -1],
    [-1, -1, -1, 5, 5],
  ].map((row) => Float32Array.from(row));
  const path = dynamicTimeWarp(rows).map(({ row, frame }) => `${row}${frame}`);
  expect(path).toEqual(['00', '01', '12', '23', '24']);
});

test('the median filter takes out spikes and mirrors at the ends', () => {
  const values = Float64Array.from([1, 1, 1, 9, 1, 1, 1, 2, 3, 4]);
  expect([...medianFilter(values)].slice(0, 7)).toEqual([1, 1, 1, 1, 1, 1, 2]);
  expect([...medianFilter(Float64Array.from([3, 1]))]).toEqual([3, 1]);
});

test('punctuation joins its word, and its tokens count for it', () => {
  const word = (text: string, start: number, end: number, ...tokens: number[]) => ({
    text,
    start,
    end,
    tokens,
    probability: 1,
  });
  const aligned = [
    word(' "', 0, 0.2, 1),
    word('Hello', 0.2, 0.5, 2),
    word(',', 0.5, 0.7, 3),
    word(' world', 0.7, 1, 4, 5),
    word('.', 1, 1.2, 6),
  ];
  const [first, second] = wordsOfSegments(
    [
      { start: 0, end: 0.7, textTokens: 3 },
      { start: 0.7, end: 1.2, textTokens: 3 },
    ],
    aligned,
    0,
    30,
  );
  expect(first!.words.map(({ text }) => text)).toEqual([' "Hello,']);
  expect(second!.words.map(({ text }) => text)).toEqual([' world.']);
  expect(second!.words[0]!.start).toBeCloseTo(0.7);
});

test('words do not overlap, and lie in their segment and in the window', () => {
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let round = 0; round < 300; round++) {
    const duration = 1 + 29 * random();
    const aligned = Array.from({ length: 12 }, (_, i) => {
      const start = random() * duration;
      return {
        text: [' a', ',', ' word', '.', ' "'][Math.floor(random() * 5)]!,
        start,
        end: start + 3 * random(),
        tokens: [i],
        probability: 1,
      };
    });
    const segments = [4, 3, 5].map((textTokens) => ({
      start: random() * duration,
      end: random() * duration,
      textTokens,
    }));
    let last = 0;
    for (const { start, end, words } of wordsOfSegments(segments, aligned, -random(), duration)) {
      if (words.length === 0) continue;
      expect(start).toBeGreaterThanOrEqual(last);
      for (const word of words) {
        expect(word.start).toBeGreaterThanOrEqual(Math.max(last, start));
        expect(word.end).toBeGreaterThanOrEqual(word.start);
        last = word.end;
      }
      expect(end).toBeGreaterThanOrEqual(last);
      expect(end).toBeLessThanOrEqual(duration);
      last = end;
    }
  }
});
