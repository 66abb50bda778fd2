/** VoxPopuli (Wang et al. 2021): transcribed speeches of the European Parliament, cut into paragraphs. */
import { basename, dirname, join } from 'node:path';
import { isTar } from '../audio/audio-reference.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { namesIn } from '../files/read.ts';
import { type Ordered, sortedByOrder } from '../files/temporary-lines.ts';
import { isLanguage } from '../language/profile.ts';
import { archiveMembers } from './archive-members.ts';
import { type Corpus, isAmong, isThere, lookAt, type Reading, SETS, setOf, spokenOf } from './corpus.ts';
import { escapedRows } from './escaped-table.ts';
import { MembersByName } from './members-by-name.ts';
import { checkColumns } from './text.ts';

const TABLE = /^asr_(\w+)\.tsv$/;

/**
 * As its `get_asr_data.py` writes it: `transcribed_data/en/asr_train.tsv` (id, raw_text, normalized_text, speaker_id, split,
 * gender) and recordings `transcribed_data/en/2013/ID.ogg`; or as on the hub, with archives `data/en/train/train_part_0.tar.gz`.
 * The raw text, with its capitals and marks, is what is said; the normalised one where there is none.
 */
export const voxpopuli: Corpus = {
  name: 'voxpopuli',
  about: 'VoxPopuli: transcribed speeches of the European Parliament in 16 languages',
  source: 'transcribed_data, or the folder of a language in it',
  options: [],
  example: 'prepare voxpopuli voxpopuli/transcribed_data --from de,fr --output m.tsv',
  recognises: async ({ path, isFolder }) => isFolder && (await tablesIn(path)).length > 0,
  async *read(sources, reading) {
    for (const source of sources) {
      await lookAt(source);
      const tables = await tablesIn(source);
      if (tables.length === 0)
        throw new UserError(
          `${source}: found no en/asr_train.tsv or the like; expected VoxPopuli's transcribed data`,
        );
      for (const table of tables) yield* tableClips(table, reading);
    }
  },
  hub: {
    repository: /^facebook\/voxpopuli$/i,
    sets: SETS,
    files: ({ from, sets = SETS }) =>
      (from?.map(spokenOf) ?? ['*']).flatMap((language) =>
        sets.flatMap((set) => [`data/${language}/asr_${set}.tsv`, `data/${language}/${set}/*.tar.gz`]),
      ),
  },
};

async function tablesIn(source: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of [source, join(source, 'data'), join(source, 'transcribed_data')]) {
    const names = await namesIn(folder);
    if (isLanguage(basename(folder)))
      for (const name of names.filter((one) => TABLE.test(one))) found.push(join(folder, name));
    for (const name of names.filter((one) => /^[a-z]{2}(_\w+)?$/.test(one))) {
      for (const file of (await namesIn(join(folder, name))).filter((one) => TABLE.test(one)))
        found.push(join(folder, name, file));
    }
  }
  return found;
}

async function* tableClips(table: string, reading: Reading): AsyncGenerator<CorpusClip> {
  const folder = dirname(table);
  const language = spokenOf(basename(folder));
  const split = TABLE.exec(basename(table))![1]!;
  const set = setOf(split);
  if (!isAmong(language, reading.from) || (reading.sets && !reading.sets.includes(set))) return;
  const archives = (await namesIn(join(folder, split))).filter(isTar);
  const members = new MembersByName();
  for (const archive of archives.map((name) => join(folder, split, name))) {
    for await (const { name } of archiveMembers(archive, reading)) {
      reading.seen();
      members.add(archive, name);
    }
  }
  const isPacked = archives.length > 0;
  const rows = tableRows(table, { language, set }, isPacked ? members : undefined, reading);
  if (isPacked) yield* sortedByOrder(rows);
  else for await (const { value } of rows) yield value;
}

/** Clips in the order of the table. @param members recordings in archives; undefined: there are none */
async function* tableRows(
  table: string,
  { language, set }: { readonly language: string; readonly set: string },
  members: MembersByName | undefined,
  reading: Reading,
): AsyncGenerator<Ordered<CorpusClip>> {
  const folder = dirname(table);
  for await (const { where, values } of escapedRows(table, [], reading)) {
    const id = values.id ?? values.id_ ?? values.audio_id;
    if (id === undefined) checkColumns(`${table}:1`, Object.keys(values), ['id']);
    if (reading.isFull(language, set)) return;
    const text = values.raw_text?.trim() || values.normalized_text || values.normed_text || '';
    const file = join(folder, id!.slice(0, 4), `${id}.ogg`);
    const found = members?.find(id!) ?? (isThere(file) ? { audio: file, order: -1 } : undefined);
    if (found === undefined) {
      reading.skip(where, 'no recording', members ? `"${id}" in the archives of ${table}` : file);
      continue;
    }
    if (text.trim() === '') {
      reading.skip(where, 'no text');
      continue;
    }
    const { speaker_id: speaker = '', gender = '', accent = '' } = values;
    const other = { ...(gender && { gender }), ...(accent && accent !== 'None' && { accent }) };
    yield {
      order: found.order,
      value: {
        audio: found.audio,
        language,
        set,
        key: id!,
        text,
        ...(speaker && speaker !== 'None' && { speaker }),
        other,
      },
    };
  }
}
