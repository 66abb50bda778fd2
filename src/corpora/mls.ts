/** Multilingual LibriSpeech (Pratap et al. 2020): audiobooks in eight languages, cut into sentences. */
import { basename, join } from 'node:path';
import type { CorpusClip } from '../data/manifest-write.ts';
import { excerpt, UserError } from '../errors.ts';
import { textLines } from '../files/lines.ts';
import { isLanguage } from '../language/profile.ts';
import {
  type Corpus,
  folderIn,
  isAmong,
  isThere,
  lookAt,
  onlyLanguage,
  type Reading,
  type Source,
  setOf,
  spokenOf,
} from './corpus.ts';
import { joinRows, noRows } from './join-rows.ts';

/**
 * `mls_french/train/transcripts.txt` (id, text), `segments.txt` (id, address of the book, start, end: they tell the length
 * only) and `audio/SPEAKER/BOOK/ID.flac`, or `.opus` in mls_french_opus. An id is SPEAKER_BOOK_NUMBER.
 */
export const mls: Corpus = {
  name: 'mls',
  about: 'Multilingual LibriSpeech: audiobooks in eight languages',
  source: 'mls_french or mls_french_opus',
  options: [],
  example: 'prepare mls mls_french_opus --sets train,dev --output fr.tsv',
  recognises: async (source) => (await setsIn(source)).length > 0,
  async *read(sources, reading) {
    for (const source of sources) {
      const sets = await setsIn(await lookAt(source));
      if (sets.length === 0)
        throw new UserError(
          `${source}: found no train/transcripts.txt; expected a language of Multilingual LibriSpeech`,
        );
      const named = /^mls_([a-z]+)/.exec(basename(source))?.[1];
      const language =
        named !== undefined && isLanguage(named) ? spokenOf(named) : onlyLanguage(reading, source);
      if (!isAmong(language, reading.from)) continue;
      for (const set of sets) yield* setClips(set, language, reading);
    }
  },
};

async function setsIn({ path, isFolder, names }: Source): Promise<Source[]> {
  if (!isFolder) return [];
  const found: Source[] = [];
  for (const name of names.filter((one) => ['train', 'dev', 'test'].includes(one))) {
    const inside = await folderIn(path, name);
    if (inside?.names.includes('transcripts.txt')) found.push(inside);
  }
  return found;
}

interface Row {
  readonly id: string;
  readonly cells: readonly string[];
  readonly where: string;
}

async function* rowsOf(file: string): AsyncGenerator<Row> {
  for await (const { text, number } of textLines(file, 'a table of Multilingual LibriSpeech')) {
    const [id = '', ...cells] = text.split('\t');
    if (text.trim() !== '') yield { id: id.trim(), cells, where: `${file}:${number}` };
  }
}

async function* setClips(
  { path, names }: Source,
  language: string,
  reading: Reading,
): AsyncGenerator<CorpusClip> {
  const set = setOf(basename(path));
  if (reading.sets && !reading.sets.includes(set)) return;
  const tables = [
    rowsOf(join(path, 'transcripts.txt')),
    names.includes('segments.txt') ? rowsOf(join(path, 'segments.txt')) : noRows(),
  ];
  for await (const [said, segment] of joinRows(tables, ({ id }) => id)) {
    if (reading.isFull(language, set)) return;
    if (!said) continue;
    const { id, cells, where } = said;
    const [speaker, book, number] = id.split('_');
    if (
      !/^\w+$/.test(speaker ?? '') ||
      !/^\w+$/.test(book ?? '') ||
      number === undefined ||
      !/^\w+$/.test(id)
    ) {
      reading.skip(where, 'another form', `found ${excerpt(id)}; expected speaker_book_number`);
      continue;
    }
    const stem = join(path, 'audio', speaker!, book!, id);
    const audio = [`${stem}.flac`, `${stem}.opus`, `${stem}.wav`].find(isThere);
    const text = cells.join(' ').trim();
    if (audio === undefined) reading.skip(where, 'no recording', `${stem}.flac or .opus`);
    else if (text === '') reading.skip(where, 'no text');
    else {
      const duration = segment ? Number(segment.cells[2]) - Number(segment.cells[1]) : Number.NaN;
      yield {
        audio,
        language,
        set,
        key: id,
        text,
        speaker: speaker!,
        ...(duration > 0 && duration < Number.POSITIVE_INFINITY && { duration }),
      };
    }
  }
}
