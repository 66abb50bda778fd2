/** Times of segments by voice activity. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { betweenPauses, pausesOf, spokenTimes } from './spoken-times.ts';
import type { Segment, Word } from './transcript.ts';

const segment = (start: number, end: number, words?: readonly (readonly [number, number])[]): Segment => ({
  ...{ start, end, text: ' Yes.', tokens: [1], logProbabilities: [-1], averageLogProbability: -1 },
  ...{ compressionRatio: 1, temperature: 0 },
  ...(words && { words: words.map(([start, end]): Word => ({ start, end, text: ' a', probability: 1 })) }),
});
const run = (start: number, end: number) => ({ start: start * 16_000, end: end * 16_000 });
const times = ({ start, end, words }: Segment) => [
  ...[start, end].map((seconds) => Number(seconds.toFixed(3))),
  ...(words ?? []).map(({ start, end }) => [Number(start.toFixed(3)), Number(end.toFixed(3))]),
];

test('a segment lasts from the first speech in it to the last', () => {
  expect(times(spokenTimes(segment(0, 14), [run(3, 5), run(8, 9), run(20, 21)]))).toEqual([2.936, 9.064]);
  expect(times(spokenTimes(segment(3.5, 8.5), [run(3, 5), run(8, 9)]))).toEqual([3.5, 8.5]);
});

test('without speech in it, or with the rest of other speech, its times stay', () => {
  expect(times(spokenTimes(segment(5, 8), [run(3, 5.05), run(8, 9)]))).toEqual([5, 8]);
});

test('the first and the last word begin and end with it, but no word is lost', () => {
  const words = [
    [0, 3.4],
    [3.4, 4],
    [4, 9],
  ] as const;
  expect(times(spokenTimes(segment(0, 9, words), [run(3, 5)]))).toEqual([
    ...[2.936, 5.064],
    ...[
      [2.936, 3.4],
      [3.4, 4],
      [4, 5.064],
    ],
  ]);
  expect(times(spokenTimes(segment(0, 9, words), [run(4, 8.5)]))).toEqual([
    ...[0, 8.564],
    ...[
      [0, 3.4],
      [3.4, 4],
      [4, 8.564],
    ],
  ]);
});

test('times stay in order, in the segment, whatever is spoken', () => {
  const sorted = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 2, maxLength: 40 });
  const ordered = (values: number[]) => [...values].sort((a, b) => a - b).map((tenth) => tenth / 10);
  const pairs = (values: number[]) =>
    values.flatMap((v, i) => (i % 2 === 1 ? [[values[i - 1]!, v] as const] : []));
  fc.assert(
    fc.property(sorted, sorted, fc.boolean(), (spoken, written, withWords) => {
      const words = pairs(ordered(written));
      const [from, to] = [words[0]![0], words.at(-1)![1]];
      const runs = pairs(ordered(spoken)).map(([start, end]) => run(start, end));
      const {
        start,
        end,
        words: after = [],
      } = spokenTimes(segment(from, to, withWords ? words : undefined), runs);
      const all = [from, start, ...after.flatMap(({ start, end }) => [start, end]), end, to];
      for (const [i, time] of all.entries()) if (i > 0) expect(time).toBeGreaterThanOrEqual(all[i - 1]!);
    }),
  );
});

/** Two sentences; the second has a short pause in it. */
const pauses = pausesOf([run(1, 4), run(4.1, 5), run(6, 7), run(7.4, 9)]);

test('a timestamp in a pause or near one is where speech ends and begins again, without clicks and catches of breath', () => {
  const moved = (start: number, end: number) => betweenPauses([segment(start, end)], pauses).flatMap(times);
  expect(moved(0, 6.2)).toEqual([0.936, 5.064]);
  expect(moved(4.6, 8.5)).toEqual([5.936, 9.064]);
  // 4 to 4.1 is no pause; 3 is near none.
  expect(moved(3, 4.05)).toEqual([3, 4.05]);
  expect(moved(5.5, 7.2)).toEqual([5.936, 7.064]);
  const withClick = pausesOf([run(1, 2), run(2.5, 2.55), run(3, 4)]);
  expect(betweenPauses([segment(2.5, 5)], withClick).flatMap(times)).toEqual([2.936, 4.064]);
});

test('speech from the first sample to the last begins at 0 and ends with the recording', () => {
  const spoken = pausesOf([run(0, 4), run(5, 9)]);
  const moved = betweenPauses([segment(0, 4.5), segment(4.5, 9)], spoken, 9);
  expect(moved.flatMap(times)).toEqual([0, 4.064, 4.936, 9]);
});

test('text where nobody speaks keeps its times', () => {
  const kept = (start: number, end: number, found = pauses) =>
    expect(betweenPauses([segment(start, end)], found).flatMap(times)).toEqual([start, end]);
  kept(5.2, 5.8);
  kept(10, 14);
  kept(0, 0.5);
  kept(0, 30, pausesOf([]));
});

test('segments in a row stay in a row', () => {
  const sorted = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 4, maxLength: 40 });
  const ordered = (values: number[]) => [...values].sort((a, b) => a - b).map((tenth) => tenth / 10);
  fc.assert(
    fc.property(sorted, sorted, (spoken, cuts) => {
      const at = ordered(spoken);
      const runs = at.flatMap((time, i) => (i % 2 === 1 ? [run(at[i - 1]!, time)] : []));
      const borders = ordered(cuts);
      const found = pausesOf(runs);
      const segments = borders.slice(1).map((end, i) => segment(borders[i]!, end));
      const moved = betweenPauses(segments, found);
      for (const { start, end } of moved) expect(end).toBeGreaterThanOrEqual(start);
      for (const [i, { start }] of moved.slice(1).entries())
        expect(start).toBeGreaterThanOrEqual(moved[i]!.start);
    }),
  );
});
