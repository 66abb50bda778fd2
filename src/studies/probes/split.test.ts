/** Splits: stratified, groups whole, the same for the same seed. */
import { expect, test } from 'vitest';
import { stratifiedSplit } from './split.ts';

const items = Array.from({ length: 120 }, (_, i) => ({
  label: 'abc'[i % 3]!,
  group: `key ${Math.floor(i / 3)}`,
}));
const options = { testShare: 0.25, seed: 5, grouping: 'key' };

test('a quarter of each label is for testing, and no key is on both sides', () => {
  const test = stratifiedSplit(items, options);
  for (const label of 'abc') {
    const own = test.filter((_, i) => items[i]!.label === label);
    expect(own.filter(Boolean).length).toBe(10);
  }
  const sides = new Map<string, Set<boolean>>();
  items.forEach(({ group }, i) => sides.set(group, (sides.get(group) ?? new Set()).add(test[i]!)));
  expect([...sides.values()].every((of) => of.size === 1)).toBe(true);
  expect(stratifiedSplit(items, options)).toEqual(test);
  expect(stratifiedSplit(items, { ...options, seed: 6 })).not.toEqual(test);
});

test('speakers larger than the share: one of each label is for testing', () => {
  const speakers = ['x', 'x', 'y', 'y'].map((label, i) => ({ label, group: `speaker ${i}` }));
  const clips = speakers.flatMap((speaker) => new Array<typeof speaker>(10).fill(speaker));
  const test = stratifiedSplit(clips, { ...options, testShare: 0.1, grouping: 'speaker' });
  expect(test.filter(Boolean).length).toBe(20);
});
