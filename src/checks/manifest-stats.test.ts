/** Counts of manifests against the same counts by hand. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { wavBytes } from '../audio/wav-write.ts';
import { manifestStats, quantile } from './manifest-stats.ts';
import { statsPage } from './stats-page.ts';

const scratch = mkdtempSync(join(tmpdir(), 'stats-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('hours, clips, speakers, coverage and lengths by language, of two manifests together', async () => {
  const [one, two] = ['one.tsv', 'two.jsonl'].map((name) => join(scratch, name)) as [string, string];
  // Its length is in its header alone.
  writeFileSync(join(scratch, 'c.wav'), wavBytes(new Float32Array(16_000 * 3)));
  writeFileSync(
    one,
    [
      'audio\tlang\tset\ttext\ttext_de\tduration_s\tspeaker',
      'a.wav\ten\ttrain\tone two three\teins zwei drei\t2\tanna',
      'b.wav\ten\ttrain\tone\t\t4.5\tanna',
      'c.wav\ten\ttest\t<b>one</b>\teins\t\tbert',
      'none.wav\tfr\ttest\tun\tein\t\t',
      '',
    ].join('\n'),
  );
  writeFileSync(
    two,
    `${JSON.stringify({ audio: 'd.wav', lang: 'de', set: 'train', text: 'so', duration_s: 3600, client_id: 'cora' })}\n`,
  );
  // Tokens are counted as words, of which one fits.
  const stats = await manifestStats([one, two], { tokensOf: (text) => text.split(' ').length, room: 1 });
  expect(stats).toMatchObject({ clips: 5, seconds: 3609.5, unknown: 1 });
  expect(stats.counts).toEqual([
    { language: 'de', set: 'train', clips: 1, seconds: 3600, unknown: 0, speakers: 1 },
    { language: 'en', set: 'test', clips: 1, seconds: 3, unknown: 0, speakers: 1 },
    { language: 'en', set: 'train', clips: 2, seconds: 6.5, unknown: 0, speakers: 1 },
    { language: 'fr', set: 'test', clips: 1, seconds: 0, unknown: 1, speakers: 0 },
  ]);
  const german = stats.texts.find(({ language, kind }) => language === 'de' && kind === 'translation')!;
  // Of the four clips in other languages three have one, and one of these is longer than fits.
  expect(german).toMatchObject({ clips: 4, texts: 3, tooLong: 1, characters: 14 + 4 + 3 });
  expect(stats.texts.find(({ language, kind }) => language === 'en' && kind === 'transcript')).toMatchObject({
    clips: 3,
    texts: 3,
  });
  const english = stats.lengths.find(({ language }) => language === 'en')!;
  expect(english.seconds.counts.flatMap((count, bin) => (count > 0 ? [[bin, count]] : []))).toEqual([
    [2, 1],
    [3, 1],
    [4, 1],
  ]);
  expect(english.rates.count).toBe(3);
  expect(quantile(english.seconds, 0.5)).toBe(4);
  expect(stats.speakers).toEqual({
    count: 3,
    most: [
      { name: 'cora', clips: 1, seconds: 3600 },
      { name: 'anna', clips: 2, seconds: 6.5 },
      { name: 'bert', clips: 1, seconds: 3 },
    ],
  });
  const page = statsPage(stats);
  expect(page).toContain('The length of 1 clips is not known');
  expect(page).toContain('English: seconds');
  expect(page).not.toContain('<b>one</b>');
});
