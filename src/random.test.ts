import { expect, test } from 'vitest';
import { below, sfc32, shuffle, uniform } from './random.ts';

test('a seed gives one sequence, the one that scripts/golden/metrics.py draws too', () => {
  const random = sfc32(12345);
  expect(Array.from({ length: 4 }, random)).toEqual([
    3_816_555_217, 871_299_513, 3_637_807_153, 1_514_285_060,
  ]);
});

test('draws below n and shuffles are even to chance', () => {
  const random = sfc32(1);
  const counts = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 6000; i++) counts[below(6, random)]!++;
  const firsts = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 6000; i++) firsts[shuffle([0, 1, 2, 3, 4, 5], random)[0]!]!++;
  // 1000 expected; five standard deviations are 144
  for (const count of [...counts, ...firsts]) expect(Math.abs(count - 1000)).toBeLessThan(144);
  const values = Array.from({ length: 1000 }, () => uniform(random));
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(1);
});
