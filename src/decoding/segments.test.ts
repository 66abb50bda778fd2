import { expect, test } from 'vitest';
import { segmentsOf } from './segments.ts';

const FIRST = 1000;
const at = (seconds: number): number => FIRST + Math.round(seconds / 0.02);

test('pairs of timestamps are segments; the next window begins after the last complete one', () => {
  const tokens = [at(0), 1, 2, at(2), at(2.5), 3, at(4), at(4), 4];
  const { segments, advance } = segmentsOf(tokens, FIRST, 30);
  expect(segments.map(({ start, end }) => [start, end])).toEqual([
    [0, 2],
    [2.5, 4],
  ]);
  expect(segments[1]!.tokens).toEqual([at(2.5), 3, at(4)]);
  expect(advance).toBeCloseTo(4);
});

test('a single timestamp at the end says that the window is complete', () => {
  const { segments, advance } = segmentsOf([at(0), 1, at(2), at(2), 2, at(5)], FIRST, 30);
  expect(segments.map(({ start, end }) => [start, end])).toEqual([
    [0, 2],
    [2, 5],
  ]);
  expect(advance).toBe(30);
});

test('without pairs the window is one segment, up to the last timestamp if there is one', () => {
  expect(segmentsOf([at(0), 1, 2, at(3)], FIRST, 30)).toEqual({
    segments: [{ start: 0, end: 3, tokens: [at(0), 1, 2, at(3)], first: 0 }],
    advance: 30,
  });
  expect(segmentsOf([1, 2], FIRST, 7).segments[0]!.end).toBe(7);
  expect(segmentsOf([at(0), 1], FIRST, 7).segments[0]!.end).toBe(7);
  expect(segmentsOf([], FIRST, 7)).toEqual({
    segments: [{ start: 0, end: 7, tokens: [], first: 0 }],
    advance: 7,
  });
});
