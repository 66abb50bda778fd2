/** Times of segments by voice activity. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { spokenTimes } from './spoken-times.ts';
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
