/** CoVoST 2 (Wang et al. 2020): Common Voice 4 with translations, as its authors publish it and as Parquet on the hub. */
import { basename, dirname, join } from 'node:path';
import { cellReference } from '../audio/audio-reference.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { parquetTable } from '../files/parquet-table.ts';
import { listFolder } from '../files/read.ts';
import { type Corpus, isAmong, lookAt, type Reading, SETS, setOf, spokenOf, writtenOf } from './corpus.ts';
import { escapedRows } from './escaped-table.ts';
import { filesBelow } from './files-below.ts';
import { joinRows } from './join-rows.ts';
import { checkColumns, textOf } from './text.ts';

/** `covost_v2.en_de.tsv`; with a split where `get_covost_splits.py` wrote it. */
const TABLE = /^covost_v2\.([\w-]+)_([\w-]+?)(?:\.(train|dev|test))?\.tsv$/;
/** A configuration on the hub: a folder `en_zh-CN` with `train-00000-of-00008.parquet`. */
const CONFIG = /^([a-z]{2}(?:-[A-Z]{2})?)_([a-z]{2}(?:-[A-Z]{2})?)$/;
const SHARD = /^([a-z]+)-\d+-of-\d+\.parquet$/;

/** The 15 targets from English and the 21 sources into it (get_covost_splits.py). */
const CODES = 'de tr fa sv-SE mn zh-CN cy ca sl et id ar ta lv ja fr es it ru pt nl en'.split(' ');

/**
 * Tables `covost_v2.en_zh-CN.tsv` (path, translation, split), or those that `get_covost_splits.py` makes of them (path,
 * sentence, translation, client_id; the split in the name); or Parquet shards in a folder named by the pair. A recording that
 * several tables translate is one clip with several translations.
 */
export const covost: Corpus = {
  name: 'covost',
  about: 'CoVoST 2: translations of Common Voice, 15 languages from English and 21 into it',
  source: 'covost_v2.en_de.tsv … (with --clips), or the folder of its Parquet files on the hub',
  options: ['clips', 'sentences'],
  example:
    'prepare covost covost_v2.en_de.tsv covost_v2.en_zh-CN.tsv --clips cv-corpus-4/en/clips --output en.tsv',
  async recognises({ path, isFolder, names }) {
    if (!isFolder) return TABLE.test(basename(path)) || parquetPair(path) !== undefined;
    return (
      names.some((name) => TABLE.test(name) || CONFIG.test(name)) ||
      parquetPair(join(path, names[0] ?? '')) !== undefined
    );
  },
  async *read(sources, reading) {
    const files: string[] = [];
    for (const source of sources) {
      const { isFolder } = await lookAt(source);
      const below = isFolder
        ? await filesBelow(source, (path) => TABLE.test(basename(path)) || parquetPair(path) !== undefined)
        : [source];
      for (const file of below) files.push(file);
    }
    const parts = files
      .map(partOf)
      .filter(
        ({ language, target, set }) =>
          isAmong(language, reading.from) &&
          isAmong(target, reading.to) &&
          (set === undefined || reading.sets === undefined || reading.sets.includes(set)),
      );
    if (parts.length === 0) {
      throw new UserError(
        `${sources.join(', ')}: found no table of the languages wanted; expected covost_v2.en_de.tsv, or en_de/*.parquet`,
      );
    }
    const spoken = await spokenSentences(reading);
    const recordings = await recordingsOf(parts, reading);
    for (const language of new Set(parts.map((part) => part.language))) {
      const own = parts.filter((part) => part.language === language);
      const targets = [...new Set(own.map(({ target }) => target))];
      const tables = targets.map((target) =>
        rowsOf(
          own.filter((part) => part.target === target),
          reading,
          recordings,
        ),
      );
      for await (const rows of joinRows(tables, ({ set, key }) => `${set} ${key}`)) {
        const found = rows.filter((row) => row !== undefined);
        const { audio, set, key, speaker } = found[0]!;
        if (reading.isFull(language, set)) continue;
        const translations: Record<string, string> = {};
        for (const { target, translation } of found) translations[target] = translation;
        yield {
          audio,
          language,
          set,
          key,
          text: found.find(({ sentence }) => sentence)?.sentence || (spoken.get(key) ?? ''),
          translations,
          speaker,
        } satisfies CorpusClip;
      }
    }
  },
  hub: {
    repository: /\/covost[_-]?2/i,
    sets: SETS,
    files: ({ from, to, sets }) => {
      const codes = (named: readonly string[] | undefined): readonly string[] =>
        named ? CODES.filter((code) => isAmong(writtenOf(code), named)) : CODES;
      // English stands on one of the two sides.
      const configs = codes(from).flatMap((source) =>
        codes(to)
          .filter((target) => target !== source && (source === 'en' || target === 'en'))
          .map((target) => `${source}_${target}`),
      );
      const splits = (sets ?? SETS).map((set) => (set === 'dev' ? 'validation' : set));
      return configs.flatMap((config) => splits.map((split) => `${config}/${split}-*.parquet`));
    },
  },
};

interface Part {
  readonly file: string;
  readonly language: string;
  readonly target: string;
  /** Where the file's name says it. */
  readonly set: string | undefined;
  readonly isParquet: boolean;
}

interface Row {
  readonly audio: string;
  readonly set: string;
  readonly key: string;
  readonly sentence: string;
  readonly target: string;
  readonly translation: string;
  readonly speaker: string;
}

function parquetPair(path: string): RegExpExecArray | undefined {
  const pair = CONFIG.exec(basename(dirname(path)));
  return pair && SHARD.test(basename(path)) ? pair : undefined;
}

function partOf(file: string): Part {
  const table = TABLE.exec(basename(file));
  const pair = table ?? parquetPair(file);
  if (!pair) {
    throw new UserError(
      `${file}: expected a name such as covost_v2.en_de.tsv, covost_v2.fr_en.test.tsv or en_de/train-00000-of-00008.parquet, with the languages in it`,
    );
  }
  const split = table ? table[3] : SHARD.exec(basename(file))![1];
  return {
    file,
    language: spokenOf(pair[1]!),
    target: writtenOf(pair[2]!),
    set: split === undefined ? undefined : setOf(split),
    isParquet: !table,
  };
}

/** Transcripts of Common Voice by the names of recordings, without their endings. */
async function spokenSentences(reading: Reading): Promise<ReadonlyMap<string, string>> {
  const spoken = new Map<string, string>();
  if (reading.sentences === undefined) return spoken;
  for await (const { values } of escapedRows(reading.sentences, ['path', 'sentence'], reading)) {
    spoken.set(keyOf(values.path!), values.sentence!);
  }
  return spoken;
}

const keyOf = (path: string): string => path.replace(/\.\w+$/, '');

async function recordingsOf(parts: readonly Part[], { clips }: Reading): Promise<ReadonlySet<string>> {
  if (parts.every(({ isParquet }) => isParquet)) return new Set();
  if (clips === undefined) {
    throw new UserError(
      "--clips: found nothing; expected Common Voice's folder of recordings, as CoVoST 2 has none",
    );
  }
  return new Set(await listFolder(clips, 'a folder of recordings'));
}

/** The rows of a target's tables that can be used, one table after the other. */
async function* rowsOf(
  parts: readonly Part[],
  reading: Reading,
  recordings: ReadonlySet<string>,
): AsyncGenerator<Row> {
  for (const part of parts)
    yield* part.isParquet ? parquetRows(part, reading) : tableRows(part, reading, recordings);
}

async function* tableRows(
  { file, set: ofFile, target }: Part,
  reading: Reading,
  recordings: ReadonlySet<string>,
): AsyncGenerator<Row> {
  const { skip, clips = '', sets } = reading;
  for await (const { values, where } of escapedRows(file, ['path', 'translation'], reading)) {
    const { path = '', translation = '', split, sentence = '', client_id = '' } = values;
    const set = ofFile ?? split?.replace(/_covost$/, '') ?? '';
    if (!recordings.has(path)) skip(where, 'no recording', `${JSON.stringify(path)} in ${clips}`);
    else if (translation.trim() === '') skip(where, 'no translation');
    else if (!/^(train|dev|test)$/.test(set))
      skip(where, 'unknown split', `"${set}"; expected train, dev or test`);
    else if (sets === undefined || sets.includes(set))
      yield {
        audio: join(clips, path),
        set,
        key: keyOf(path),
        sentence,
        target,
        translation,
        speaker: client_id,
      };
  }
}

async function* parquetRows({ file, set, target }: Part, { skip }: Reading): AsyncGenerator<Row> {
  const table = await parquetTable(file);
  const wanted = ['id', 'sentence', 'translation', 'client_id'].filter((name) =>
    table.columns.includes(name),
  );
  checkColumns(file, wanted, ['translation']);
  if (!table.audio.includes('audio')) checkColumns(file, table.audio, ['audio']);
  for await (const { row, values } of table.rows(wanted)) {
    const [id, sentence, translation, speaker] = ['id', 'sentence', 'translation', 'client_id'].map(
      (name) => textOf(values[name]) ?? '',
    ) as [string, string, string, string];
    const where = `${file}, row ${row}`;
    if (translation.trim() === '') skip(where, 'no translation');
    else {
      const key = id === '' ? `${basename(file, '.parquet')}-${row}` : keyOf(id);
      yield {
        audio: cellReference(file, row),
        set: set!,
        key,
        sentence,
        target,
        translation,
        speaker,
      };
    }
  }
}
