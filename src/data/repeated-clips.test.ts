import { expect, test } from 'vitest';
import type { Clip } from './clip.ts';
import { repeatedClips, sameRecordings } from './repeated-clips.ts';

const clip = (audio: string, set: string, text = ''): Clip => ({
  ...{ audio, set, text, language: 'en', key: '', translations: {}, duration: 1, other: {} },
});

test('a clip that stands twice is counted; other texts of a recording are no repetition', () => {
  expect(repeatedClips('m.tsv', [clip('/a', 'x'), clip('/b', 'x'), clip('/a', 'x', 'other')])).toEqual([]);
  const rows = [clip('/a.wav', 'x'), clip('/b.wav', 'x'), clip('/b.wav', 'x'), clip('/b.wav', 'x')];
  expect(repeatedClips('m.tsv', rows)).toEqual([
    'm.tsv: 2 rows repeat a clip (b.wav): each counts, in scores too, and their intervals are narrower than they should be',
  ]);
});

test('a recording on both sides of a split is reported, whatever its text', () => {
  const rows = [clip('/a.wav', 'train', 'one'), clip('/a.wav', 'test', 'two'), clip('/b.wav', 'train')];
  expect(repeatedClips('m.tsv', rows)).toEqual([
    'm.tsv: 1 recording is in more than one set (a.wav in "train" and "test"): scores of one are no proof for the other',
  ]);
});

test('recordings that are tested and trained on are counted, with the first two names', () => {
  const pairs = new Map([
    ['/x/dev/1.wav', '/x/train/9.wav'],
    ['/x/dev/2.wav', '/x/dev/2.wav'],
  ]);
  expect(sameRecordings('of the dev set', 'to train on', pairs)).toBe(
    '2 recordings of the dev set are also among those to train on (/x/dev/1.wav has the content of /x/train/9.wav): ' +
      'scores on such recordings are no proof',
  );
  expect(sameRecordings('of the dev set', 'to train on', new Map())).toBeUndefined();
});

test('300,000 rows take linear time', () => {
  const rows = Array.from({ length: 300_000 }, (_, i) => clip(`/${i % 299_999}.wav`, 'train'));
  const started = performance.now();
  expect(repeatedClips('m.tsv', rows)[0]).toMatch('1 row repeats a clip (0.wav)');
  expect(performance.now() - started).toBeLessThan(5000);
});
