/** Common Voice (Ardila et al. 2020): read sentences in many languages, as unpacked or in the archive that is downloaded. */
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isTar } from '../audio/audio-reference.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { type Ordered, sortedByOrder } from '../files/temporary-lines.ts';
import { entryOf } from '../lists.ts';
import { NumbersByName } from '../seen-hashes.ts';
import { type ArchiveMember, archiveMembers } from './archive-members.ts';
import {
  type Corpus,
  isAmong,
  isThere,
  lookAt,
  type Reading,
  SETS,
  type Source,
  spokenOf,
} from './corpus.ts';
import { escapedRows } from './escaped-table.ts';
import { type FoundMember, MembersByName, stemOf } from './members-by-name.ts';

/** Columns that are kept where they are filled in. */
const KEPT = ['sentence_domain', 'gender', 'age', 'accents', 'variant'];
/** A table of a locale in the archive: cv-corpus-21.0-2025-03-14/en/train.tsv. */
const TABLE = /(?:^|\/)([\w-]+)\/((?:train|dev|test|validated|invalidated|other|clip_durations))\.tsv$/;
const CLIP = /(?:^|\/)([\w-]+)\/clips\/[^/]+\.mp3$/;

/**
 * A folder a language with `train.tsv`, `dev.tsv`, `test.tsv`, `validated.tsv`, `other.tsv` (client_id, path, sentence, …;
 * their columns differ between versions) and `clips`. `clip_durations.tsv` tells lengths where it is there.
 */
export const commonVoice: Corpus = {
  name: 'common-voice',
  about: "Mozilla's Common Voice, unpacked or as the archive that is downloaded",
  source:
    'cv-corpus-…/en, the folder of such folders, or cv-corpus-….tar.gz; --sets validated,other for those',
  options: [],
  example: 'prepare common-voice cv-corpus-21.0-2025-03-14/fr --sets train,dev --output fr.tsv',
  recognises: async (source) =>
    source.isFolder
      ? (await localesIn(source)).length > 0
      : isTar(source.path) && /^cv-corpus-/.test(basename(source.path)),
  async *read(sources, reading) {
    for (const source of sources) {
      const looked = await lookAt(source);
      if (!looked.isFolder) {
        yield* archiveClips(source, reading);
        continue;
      }
      const locales = await localesIn(looked);
      if (locales.length === 0)
        throw new UserError(
          `${source}: found no train.tsv or validated.tsv beside clips; expected a folder of Common Voice`,
        );
      for (const folder of locales) {
        const audioOf = (clip: string) => {
          const audio = join(folder.path, 'clips', clip);
          // A name that leads elsewhere is none.
          return !clip.includes('/') && isThere(audio) ? { audio, order: 0 } : undefined;
        };
        for await (const { value } of localeClips(folder, basename(folder.path), audioOf, reading))
          yield value;
      }
    }
  },
};

/** Folders of languages: the source, or those in it. */
async function localesIn(source: Source): Promise<Source[]> {
  const isLocale = ({ names }: Source): boolean =>
    names.includes('clips') && names.some((name) => /^(train|validated|other)\.tsv$/.test(name));
  if (isLocale(source)) return [source];
  const found: Source[] = [];
  for (const name of source.names.filter((one) => /^[a-z]{2,3}(-[\w-]+)?$/.test(one)).slice(0, 300)) {
    const inside = await lookAt(join(source.path, name)).catch(() => undefined);
    if (inside && isLocale(inside)) found.push(inside);
  }
  return found;
}

/**
 * Clips of a locale's tables.
 * @param name of the locale, where the tables do not say it
 * @param audioOf the recording of a name that ends in .mp3
 */
async function* localeClips(
  { path, names }: Source,
  name: string,
  audioOf: (clip: string) => FoundMember | undefined,
  reading: Reading,
  shown: string = path,
): AsyncGenerator<Ordered<CorpusClip>> {
  const { sets, skip, isFull } = reading;
  if (!isAmong(spokenOf(name), reading.from)) return;
  const durations = new NumbersByName();
  if (names.includes('clip_durations.tsv')) {
    const file = join(path, 'clip_durations.tsv');
    for await (const { values } of escapedRows(file, ['clip', 'duration[ms]'], reading)) {
      durations.set(values.clip!, Number(values['duration[ms]']) / 1000);
    }
  }
  for (const set of sets ?? SETS) {
    const file = `${set}.tsv`;
    if (!names.includes(file)) {
      if (sets)
        throw new UserError(
          `${join(shown, file)}: found no such file; expected a set of Common Voice: ${names.filter((one) => one.endsWith('.tsv')).join(', ')}`,
        );
      continue;
    }
    for await (const { where, values } of escapedRows(
      join(path, file),
      ['path', 'sentence'],
      reading,
      join(shown, file),
    )) {
      const { path: clip = '', sentence = '', client_id: speaker = '', locale, sentence_id = '' } = values;
      const language = spokenOf(locale || name);
      if (isFull(language, set)) break;
      // Earlier versions leave the ending out.
      const found = audioOf(clip.endsWith('.mp3') ? clip : `${clip}.mp3`);
      if (!found) skip(where, 'no recording', `${JSON.stringify(clip)} in ${join(shown, 'clips')}`);
      else if (sentence.trim() === '') skip(where, 'no sentence');
      else {
        const duration = durations.get(basename(found.audio));
        const other = Object.fromEntries(
          KEPT.flatMap((column) => (values[column] ? [[column, values[column]]] : [])),
        );
        yield {
          order: found.order,
          value: {
            audio: found.audio,
            language,
            set,
            key: sentence_id || clip.replace(/\.mp3$/, ''),
            text: sentence,
            speaker,
            ...(duration && { duration }),
            other,
          },
        };
      }
    }
  }
}

/**
 * Clips of an archive, which is read once from its beginning to its end: its tables are kept in a folder for temporary files
 * meanwhile. Clips come in the archive's order, set by set.
 */
async function* archiveClips(archive: string, reading: Reading): AsyncGenerator<CorpusClip> {
  const folder = await mkdtemp(join(tmpdir(), 'common-voice-'));
  try {
    const tables = new Map<string, string[]>();
    const recordings = new Map<string, MembersByName>();
    for await (const member of archiveMembers(archive, reading)) {
      reading.seen();
      const [, locale, table] = TABLE.exec(member.name) ?? [];
      const [, spoken] = CLIP.exec(member.name) ?? [];
      if (locale !== undefined && table !== undefined) {
        await unpack(member, join(folder, locale), `${table}.tsv`);
        tables.set(locale, [...(tables.get(locale) ?? []), `${table}.tsv`]);
      } else if (spoken !== undefined) {
        entryOf(recordings, spoken, () => new MembersByName()).add(archive, member.name);
      }
    }
    if (tables.size === 0)
      throw new UserError(
        `${archive}: found no en/train.tsv or the like; expected an archive of Common Voice`,
      );
    for (const [locale, names] of tables) {
      const members = recordings.get(locale);
      yield* sortedByOrder(
        localeClips(
          { path: join(folder, locale), isFolder: true, names },
          locale,
          (clip) => members?.find(stemOf(clip)),
          reading,
          `${archive}#${locale}`,
        ),
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function unpack(member: ArchiveMember, folder: string, name: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await pipeline(Readable.from(member.bytes()), createWriteStream(join(folder, name)));
}
