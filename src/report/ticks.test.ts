import fc from 'fast-check';
import { expect, test } from 'vitest';
import { niceTicks } from './ticks.ts';

test('marks fall on round numbers that enclose the data', () => {
  expect(niceTicks(0, 97).labels).toEqual(['0', '20', '40', '60', '80', '100']);
  expect(niceTicks(0.12, 0.31).labels).toEqual(['0.10', '0.15', '0.20', '0.25', '0.30', '0.35']);
  expect(niceTicks(0, 3e-5).labels).toEqual(['0', '1e-5', '2e-5', '3e-5']);
  expect(niceTicks(0, 4800).labels.at(-1)).toBe('5,000');
  expect(niceTicks(-3, 3).values).toEqual([-4, -2, 0, 2, 4]);
});

test('empty, equal, reversed and non-finite ranges get an axis all the same', () => {
  for (const [low, high] of [
    [0, 0],
    [2.5, 2.5],
    [-7, -7],
    [5, 1],
    [Number.NaN, 1],
    [0, 5e-324],
    [-1e308, 1e308],
    [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  ] as const) {
    const ticks = niceTicks(low, high);
    expect(ticks.high).toBeGreaterThan(ticks.low);
    expect(ticks.labels.join()).not.toMatch(/NaN|Infinity/);
  }
});

test('any range is enclosed by a dozen marks at most', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -1e90, max: 1e90, noNaN: true }),
      fc.double({ min: -1e90, max: 1e90, noNaN: true }),
      (a, b) => {
        const ticks = niceTicks(a, b);
        const slack = (ticks.high - ticks.low) * 1e-6;
        expect(ticks.low).toBeLessThanOrEqual(Math.min(a, b) + slack);
        expect(ticks.high).toBeGreaterThanOrEqual(Math.max(a, b) - slack);
        expect(ticks.values.length).toBeLessThanOrEqual(12);
        expect(new Set(ticks.values).size).toBe(ticks.values.length);
      },
    ),
  );
});
