/** Short clips become long ones, and never too long. */
import { expect, test } from 'vitest';
import type { Clip } from '../data/clip.ts';
import { mergeClips } from './merge-clips.ts';

const clip = (audio: string, duration: number, more: Partial<Clip> = {}): Clip => ({
  audio,
  language: 'en',
  set: 'train',
  key: audio,
  text: `words ${audio}`,
  translations: { fr: `mots ${audio}`, zh: `文${audio}` },
  duration,
  other: {},
  ...more,
});
const merge = (clips: readonly Clip[], seconds: number, target = 'zh', most = 1000) =>
  mergeClips(clips, target, { seconds, fits: (text) => text.length <= most });
const files = (clips: readonly Clip[]) =>
  clips.map(({ audio, following = [] }) => [audio, ...following].join(' '));

test('clips in a row are joined up to the length, gaps counted; texts with them', async () => {
  const merged = await merge([clip('a', 4), clip('b', 5), clip('c', 0.5), clip('d', 9), clip('e', 1)], 10);
  expect(files(merged)).toEqual(['a b c', 'd', 'e']);
  expect(merged[0]).toMatchObject({
    text: 'words a words b words c',
    translations: { fr: 'mots a mots b mots c', zh: '文a文b文c' },
    key: '',
  });
  expect(merged[0]!.duration).toBeCloseTo(9.9, 9);
  expect(merged[1]).toMatchObject({ audio: 'd', key: 'd', translations: { zh: '文d' } });
  // 9 + 0.2 + 1 is more than 10.
  expect(files(await merge([clip('d', 9), clip('e', 1)], 10.2))).toEqual(['d e']);
});

test('other languages, sets, speakers and sessions stay apart; so do clips without a text', async () => {
  const apart: [Partial<Clip>, Partial<Clip>][] = [
    [{}, { language: 'fr' }],
    [{}, { set: 'other' }],
    [{ other: { speaker: 'x' } }, { other: { speaker: 'y' } }],
    [{ other: { session: '1' } }, { other: { session: '2' } }],
    [{}, { translations: { fr: 'mots' } }],
    [{ translations: {} }, {}],
  ];
  for (const [one, other] of apart) {
    expect(files(await merge([clip('a', 1, one), clip('b', 1, other)], 10))).toEqual(['a', 'b']);
  }
  const same = { other: { speaker: 'x', session: '1', voice: 'any' } };
  expect(
    files(await merge([clip('a', 1, same), clip('b', 1, { other: { ...same.other, voice: '' } })], 10)),
  ).toEqual(['a b']);
});

test('never beyond 30 s, the decoder’s context, or a recording that cannot be measured', async () => {
  expect(files(await merge([clip('a', 20), clip('b', 11)], 100))).toEqual(['a', 'b']);
  expect(files(await merge([clip('a', 1), clip('b', 1), clip('c', 1)], 30, 'zh', 4))).toEqual(['a b', 'c']);
  expect(files(await merge([clip('a', 1), clip('/nowhere.wav', Number.NaN)], 30))).toEqual([
    'a',
    '/nowhere.wav',
  ]);
});
