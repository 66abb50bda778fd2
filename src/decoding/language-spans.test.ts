/** Spans of languages in a segment: their times are those of the words that begin in them. */
import { expect, test } from 'vitest';
import { spansByScript } from '../language/spans.ts';
import { withSpans } from './language-spans.ts';
import { laterSegment } from './merge-channels.ts';
import type { Segment } from './transcript.ts';

const spansOf = spansByScript(['zh', 'en'])!;
const segmentOf = (texts: readonly string[], timed: boolean): Segment => ({
  ...{ start: 0, end: texts.length, text: texts.join('') },
  ...{ tokens: [], logProbabilities: [], averageLogProbability: 0, compressionRatio: 1, temperature: 0 },
  ...(timed && { words: texts.map((text, i) => ({ text, start: i, end: i + 0.5, probability: 1 })) }),
});
const TEXTS = ['我', '的', ' computer', ' is', ' 坏', '了。'];

test('with word timestamps spans have times, in the time of the whole recording', () => {
  const segment = withSpans(segmentOf(TEXTS, true), spansOf);
  expect(segment.text).toBe('我的 computer is 坏了。');
  expect(segment.spans).toEqual([
    { language: 'zh', from: 0, to: 3, start: 0, end: 1.5 },
    { language: 'en', from: 3, to: 15, start: 2, end: 3.5 },
    { language: 'zh', from: 15, to: 18, start: 4, end: 5.5 },
  ]);
  expect(laterSegment(segment, 60).spans![1]).toEqual({
    ...{ language: 'en', from: 3, to: 15 },
    ...{ start: 62, end: 63.5 },
  });
});

test('without words they are characters alone', () => {
  const segment = withSpans(segmentOf(TEXTS, false), spansOf);
  expect(laterSegment(segment, 60).spans).toEqual([
    { language: 'zh', from: 0, to: 3 },
    { language: 'en', from: 3, to: 15 },
    { language: 'zh', from: 15, to: 18 },
  ]);
});
