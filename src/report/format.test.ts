import { expect, test } from 'vitest';
import { formatDuration, formatNumber, formatPercent, languageName } from './format.ts';

test.each([
  [0, '0.0 s'],
  [9.94, '9.9 s'],
  [9.97, '10 s'],
  [59.4, '59 s'],
  [59.7, '1 m 00 s'],
  [65, '1 m 05 s'],
  [3599.6, '1 h 00 m'],
  [7384, '2 h 03 m'],
  [-1, '–'],
  [Number.NaN, '–'],
  [Number.POSITIVE_INFINITY, '–'],
])('%d seconds are written %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test('numbers and shares are rounded, grouped, and never minus zero', () => {
  expect(formatNumber(289430)).toBe('289,430');
  expect(formatNumber(-0.04, 1)).toBe('0.0');
  expect(formatNumber(null)).toBe('–');
  expect(formatPercent(0.0111, 1)).toBe('1.1\u00a0%');
  expect(formatPercent(Number.NaN)).toBe('–');
  expect(formatPercent(undefined)).toBe('–');
});

test('languages have their English name, and what is no code is left alone', () => {
  expect(languageName('ca')).toBe('Catalan');
  expect(languageName('ckb')).toMatch(/Kurdish/);
  expect(languageName('not a code')).toBe('not a code');
});
