import { expect, test } from 'vitest';
import type { TransferResult } from './results.ts';
import { verdict } from './verdict.ts';

function row(chrfBefore: number, chrfAfter: number, bleuAfter: number, low?: number): TransferResult {
  return {
    group: 'held-out English',
    language: 'en',
    name: 'English',
    voice: 'real',
    n: 40,
    before: { bleu: 0, chrf: chrfBefore, offTarget: 1 },
    after: { bleu: bleuAfter, chrf: chrfAfter, offTarget: 0 },
    ...(low === undefined ? {} : { chrfGain: { low, high: low + 5 } }),
  };
}

test('a plain yes needs every test to gain and to be usable', () => {
  expect(verdict([row(1, 15, 14), row(1, 12, 11)]).words).toBe('Yes');
  expect(verdict([row(1, 15, 14), row(1, 6, 4)]).words).toBe('Better, still weak');
  expect(verdict([row(1, 15, 14), row(1, 1.5, 0.4)]).words).toBe('Better in 1 of 2 tests');
  expect(verdict([row(5, 2, 14)]).words).toBe('No');
});

test('a gain whose interval holds zero is no gain', () => {
  expect(verdict([row(1, 15, 14, -0.1)]).words).toBe('No');
  expect(verdict([row(1, 15, 14, 0.1)]).words).toBe('Yes');
});

test('tests without clips or scores answer nothing', () => {
  expect(verdict([]).level).toBe('unknown');
  expect(verdict([{ ...row(1, 15, 14), n: 0 }]).level).toBe('unknown');
  expect(verdict([row(1, Number.NaN, Number.NaN)]).level).toBe('unknown');
});
