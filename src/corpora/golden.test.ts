/** Corpora that the reference tools wrote (scripts/golden/corpora.py): Lhotse, and Hugging Face's datasets. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { readCorpus } from '../testing/read-corpus.ts';
import { recogniseCorpus } from './corpora.ts';

const GOLDEN = fileURLToPath(new URL('golden', import.meta.url));
const read = async (name: string, ...files: string[]) => {
  const sources = files.map((file) => join(GOLDEN, file));
  const corpus = await recogniseCorpus(sources[0]!);
  expect(corpus.name).toBe(name);
  return readCorpus(corpus, sources, { from: ['en'] }, GOLDEN);
};
const short = (audio: string): string => audio.replace(`${GOLDEN}/`, '');

test("Lhotse's recordings and supervisions", async () => {
  const { clips, skipped } = await read(
    'lhotse',
    'talks_supervisions_dev.jsonl.gz',
    'talks_recordings_dev.jsonl.gz',
  );
  expect(
    clips.map(({ audio, key, text, translations, speaker, set }) => [
      short(audio),
      key,
      text,
      translations,
      speaker,
      set,
    ]),
  ).toEqual([
    ['one.wav#t=0,0.05', 'one-0', 'one 0', { de: 'one auf Deutsch' }, 'speaker one', 'dev'],
    ['one.wav#t=0.05,0.1', 'one-1', 'one 1', { de: 'one auf Deutsch' }, 'speaker one', 'dev'],
    ['two.wav#t=0,0.05', 'two-0', 'two 0', { de: 'two auf Deutsch' }, 'speaker two', 'dev'],
    ['two.wav#t=0.05,0.1', 'two-1', 'two 1', { de: 'two auf Deutsch' }, 'speaker two', 'dev'],
  ]);
  expect(skipped).toEqual(
    [5, 6].map((line) => `talks_supervisions_dev.jsonl.gz:${line}: a channel of several`),
  );
});

test("Lhotse's cuts: of a whole recording, of a supervision, and one that is padded", async () => {
  const { clips, skipped } = await read('lhotse', 'cuts_train.jsonl.gz');
  expect(clips.map(({ audio, key }) => [short(audio), key])).toEqual([
    ['one.wav#t=0,0.05', 'one-0'],
    ['one.wav#t=0.05,0.1', 'one-1'],
    ['two.wav#t=0,0.05', 'two-0'],
    ['two.wav#t=0.05,0.1', 'two-1'],
    ['one.wav#t=0,0.05', 'one-0'],
    ['one.wav#t=0.05,0.1', 'one-1'],
  ]);
  expect(skipped).toEqual(['cuts_train.jsonl.gz:5: a cut that is mixed or padded (MixedCut)']);
});

test('a Parquet table of datasets: its Audio is heard where it stands', async () => {
  const { clips } = await read('table', 'train-00000-of-00001.parquet');
  expect(
    clips.map(({ audio, text, translations, speaker, set, duration }) => [
      short(audio),
      text,
      translations,
      speaker,
      set,
      duration,
    ]),
  ).toEqual([
    [
      'train-00000-of-00001.parquet#row=0&column=audio',
      'One.',
      { en: 'One.', de: 'Eins.' },
      '7',
      'train',
      0.1,
    ],
    ['train-00000-of-00001.parquet#row=1&column=audio', 'Two.', { en: 'Two.', de: 'Zwei.' }, '8', 'dev', 0.1],
    ['train-00000-of-00001.parquet#row=2&column=audio', '', { en: 'Three.' }, undefined, 'train', undefined],
  ]);
  expect(await readAudio(clips[1]!.audio)).toEqual(await readAudio(join(GOLDEN, 'two.wav')));
});
