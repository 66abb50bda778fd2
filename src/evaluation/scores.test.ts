import { expect, test } from 'vitest';
import { hitRate, type System, scoredRows } from './scores.ts';

const system = (model: string, hits: Record<string, boolean[]>, prompt = 'p'): System => ({
  model,
  prompt,
  clips: new Map(
    Object.entries(hits).map(([language, all]) => [language, all.map((_, i) => `${language}${i}`)]),
  ),
  counts: new Map(
    Object.entries(hits).map(([language, all]) => [language, new Map([['hits', hitRate(all, 'share')]])]),
  ),
  notDefined: new Map(),
});
const rowsOf = (...systems: System[]) =>
  scoredRows({ test: 't', forgetting: false }, systems, { samples: 500, seed: 1 });
const [yes, no] = [true, false];

test('an average counts every language the same, however many clips it has', async () => {
  const rows = await rowsOf(system('a', { fr: [yes, yes, yes, yes, yes, no], de: [no, no] }));
  expect(rows.map(({ language, n, scores }) => [language, n, scores.hits!.score])).toEqual([
    ['de', 2, 0],
    ['fr', 6, (100 * 5) / 6],
    ['average', 8, (100 * 5) / 12],
  ]);
  const { interval, signature } = rows[2]!.scores.hits!;
  expect(signature).toBe('mean over 2 languages: share');
  // A resample may have no German sentence, and then the mean is of French alone; it never falls to zero for that.
  expect(interval.low).toBeGreaterThan(15);
  expect(interval.high).toBeLessThanOrEqual(100);
});

test('only the same clips are compared, with the same prompt where there is one', async () => {
  const many = Array.from({ length: 30 }, (_, i) => i % 3 === 0);
  const better = many.map(() => yes);
  const rows = await rowsOf(
    system('a', { fr: many, de: many }, 'q'),
    system('a', { fr: better, de: better }, 'p'),
    system('b', { fr: better, de: better.slice(1) }, 'p'),
    system('c', { fr: better }, 'other'),
  );
  const comparison = (model: string, language: string) =>
    rows.find((row) => row.model === model && row.language === language)?.scores.hits?.comparison;
  expect(comparison('a', 'fr')).toBeUndefined();
  expect(comparison('b', 'fr')).toEqual({ difference: 0, pValue: 1 });
  expect(comparison('b', 'de')).toBeUndefined();
  expect(comparison('b', 'average')).toBeUndefined();
  expect(comparison('c', 'fr')!.difference).toBeCloseTo(200 / 3);
  expect(comparison('c', 'fr')!.pValue).toBeLessThan(0.01);
});

test('a language that a prompt is not defined for has a row that says so, and does not enter the average', async () => {
  const asked = system('a', { fr: [yes, no], de: [yes, yes] });
  const rows = await rowsOf({ ...asked, notDefined: new Map([['kea', 'no token']]) });
  expect(rows.find(({ language }) => language === 'kea')).toMatchObject({
    n: 0,
    notDefined: 'no token',
    scores: {},
  });
  expect(rows.at(-1)).toMatchObject({ language: 'average', languages: 2 });
});
