/** Tables of one's own: CSV, TSV, JSON, JSONL and Parquet, by the names of their columns or a map of them. */
import { basename, dirname, join, relative } from 'node:path';
import { cellReference, isReference, partReference, resolveReference } from '../audio/audio-reference.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { excerpt, UserError } from '../errors.ts';
import { csvRows } from '../files/csv.ts';
import { textLines } from '../files/lines.ts';
import { parquetTable } from '../files/parquet-table.ts';
import { readJson } from '../files/read.ts';
import {
  type ColumnMap,
  type ColumnsOfTable,
  parseColumns,
  type RowReader,
  rowReader,
} from './column-map.ts';
import { type Corpus, isThere, lookAt, type Reading, setIn } from './corpus.ts';
import { filesBelow } from './files-below.ts';
import { isObject } from './text.ts';

/** Endings of tables, with and without compression. */
const TABLE = /\.(?:parquet|(?:csv|tsv|jsonl|ndjson)(?:\.gz)?|json)$/i;
const MAX_JSON_BYTES = 512_000_000;

export const table: Corpus = {
  name: 'table',
  about: 'a CSV, TSV, JSON, JSONL or Parquet table, whose columns are known by name or by --columns',
  source: 'files, or a folder of them',
  options: ['columns'],
  example:
    'prepare table data.parquet --columns audio=file,text=sentence,text_de=translation.de,lang=:en --output m.tsv',
  recognises: ({ path, isFolder, names }) =>
    isFolder ? names.some((name) => name.endsWith('.parquet')) : TABLE.test(path),
  async *read(sources, reading) {
    for (const source of sources) {
      const { isFolder } = await lookAt(source);
      if (!isFolder && !TABLE.test(source)) {
        throw new UserError(
          `${source}: found another ending; expected .parquet, .csv, .tsv, .json or .jsonl`,
        );
      }
      const files = isFolder ? await filesBelow(source, (path) => TABLE.test(path)) : [source];
      const tables = files.some((path) => path.endsWith('.parquet'))
        ? files.filter((path) => path.endsWith('.parquet'))
        : files;
      if (tables.length === 0)
        throw new UserError(`${source}: found no table; expected .parquet, .csv, .tsv, .json or .jsonl`);
      for (const file of tables)
        yield* tableClips(file, reading, setIn(isFolder ? relative(source, file) : basename(file)));
    }
  },
  hub: { repository: /./, files: () => ['*.parquet', '*.csv', '*.tsv', '*.jsonl'] },
};

/**
 * Clips of the rows of a table.
 * @param set that of rows that name none
 */
export async function* tableClips(file: string, reading: Reading, set: string): AsyncGenerator<CorpusClip> {
  const map = parseColumns(reading.columns);
  if (/\.parquet$/i.test(file)) return yield* parquetClips(file, reading, map, set);
  const folder = dirname(file);
  for await (const { where, read, values } of rowsOf(file, reading, map)) {
    const row = read(values);
    if (typeof row === 'string') {
      reading.skip(where, row);
      continue;
    }
    const { part, audio: path, ...fields } = row;
    const audio = resolveReference(folder, path);
    if (/^[a-z]+:\/\//i.test(path)) reading.skip(where, 'an address instead of a file', excerpt(path, 80));
    else if (!isThere(audio) && !isReference(audio)) reading.skip(where, 'no recording', audio);
    else {
      const own = fields.set === '' ? setIn(path) || set : fields.set;
      yield {
        ...fields,
        set: own,
        key: fields.key || basename(path).replace(/\.\w+$/, ''),
        audio: part ? partReference(audio, part) : audio,
      };
    }
  }
}

async function* parquetClips(
  file: string,
  reading: Reading,
  map: ColumnMap,
  set: string,
): AsyncGenerator<CorpusClip> {
  const stem = basename(file, '.parquet');
  const { columns, audio, classes, rows } = await parquetTable(file);
  const {
    recordings,
    columns: wanted,
    read,
  } = rowReader(file, { names: columns, audio, classes }, map, reading);
  for await (const { row, values } of rows(wanted)) {
    const where = `${file}, row ${row}`;
    const fields = read(values);
    if (typeof fields === 'string') {
      reading.skip(where, fields);
      continue;
    }
    const { part, audio: path, ...rest } = fields;
    const place =
      recordings === undefined ? resolveReference(dirname(file), path) : cellReference(file, row, recordings);
    if (recordings === undefined && !isThere(place) && !isReference(place))
      reading.skip(where, 'no recording', place);
    else {
      const key = rest.key || `${stem}-${row}`;
      yield { ...rest, set: rest.set || set, key, audio: part ? partReference(place, part) : place };
    }
  }
}

interface Row {
  readonly where: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly read: RowReader['read'];
}

async function* rowsOf(file: string, reading: Reading, map: ColumnMap): AsyncGenerator<Row> {
  const name = file.replace(/\.gz$/i, '').toLowerCase();
  const reader = (columns: ColumnsOfTable) => rowReader(file, columns, map, reading);
  if (name.endsWith('.csv')) yield* separated(commaRows(file), reader, reading);
  else if (name.endsWith('.tsv')) yield* separated(tsvRows(file), reader, reading);
  else yield* objects(name.endsWith('.json') ? jsonRows(file) : jsonLines(file, reading), reader);
}

interface Cells {
  readonly where: string;
  readonly cells: readonly string[];
}

async function* separated(
  rows: AsyncIterable<Cells>,
  readerOf: (columns: ColumnsOfTable) => RowReader,
  { skip }: Reading,
): AsyncGenerator<Row> {
  let names: readonly string[] | undefined;
  let read: RowReader['read'] | undefined;
  for await (const { where, cells } of rows) {
    if (names === undefined || read === undefined) {
      names = cells.map((name) => name.trim());
      ({ read } = readerOf({ names }));
    } else if (cells.length !== names.length) {
      skip(
        where,
        'another number of columns',
        `found ${cells.length}; expected ${names.length} as in the header`,
      );
    } else yield { where, values: Object.fromEntries(names.map((name, i) => [name, cells[i]])), read };
  }
}

/** Objects with the same keys share their reader. */
async function* objects(
  rows: AsyncIterable<{ where: string; values: Readonly<Record<string, unknown>> }>,
  readerOf: (columns: ColumnsOfTable) => RowReader,
): AsyncGenerator<Row> {
  const known = new Map<string, RowReader>();
  for await (const { where, values } of rows) {
    const names = Object.keys(values);
    const key = names.join('\n');
    const reader = known.get(key) ?? readerOf({ names });
    if (known.size < 1000) known.set(key, reader);
    yield { where, values, read: reader.read };
  }
}

async function* tsvRows(file: string): AsyncGenerator<Cells> {
  for await (const { text, number } of textLines(file, 'a tab-separated table')) {
    if (text.trim() !== '') yield { where: `${file}:${number}`, cells: text.split('\t') };
  }
}

async function* commaRows(file: string): AsyncGenerator<Cells> {
  for await (const { cells, line } of csvRows(file, 'a comma-separated table'))
    yield { where: `${file}:${line}`, cells };
}

async function* jsonRows(
  file: string,
): AsyncGenerator<{ where: string; values: Readonly<Record<string, unknown>> }> {
  const found = await readJson(file, 'a JSON list of objects', MAX_JSON_BYTES);
  if (!Array.isArray(found))
    throw new UserError(`${file}: found ${excerpt(JSON.stringify(found))}; expected a list of objects`);
  for (const [i, values] of found.entries()) {
    if (!isObject(values)) {
      throw new UserError(
        `${file}: found ${excerpt(JSON.stringify(values))} as number ${i}; expected an object`,
      );
    }
    yield { where: `${file}, number ${i}`, values };
  }
}

/** The objects of a JSONL file; lines that are none are reported. */
export async function* jsonLines(
  file: string,
  { skip }: Pick<Reading, 'skip'>,
): AsyncGenerator<{ where: string; values: Readonly<Record<string, unknown>> }> {
  for await (const { text, number } of textLines(file, 'a JSON object a line')) {
    if (text.trim() === '') continue;
    const where = `${file}:${number}`;
    const values = jsonObject(text);
    if (values) yield { where, values };
    else skip(where, 'no JSON object', excerpt(text));
  }
}

/** The object that a text is; undefined where it is none. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Hugging Face's AudioFolder: recordings in folders, described by a metadata file. */
export const audioFolder: Corpus = {
  name: 'audiofolder',
  about: "Hugging Face's AudioFolder: recordings and metadata.csv or metadata.jsonl",
  source: 'the folder',
  options: ['columns'],
  example: 'prepare audiofolder my-data --from en --output m.tsv',
  async recognises({ path, isFolder, names }) {
    if (!isFolder) return false;
    if (names.some((name) => METADATA.test(name))) return true;
    for (const name of names.filter((one) => setIn(one) !== '' || one === 'data').slice(0, 20)) {
      const inside = await lookAt(join(path, name)).catch(() => undefined);
      if (inside?.names.some((one) => METADATA.test(one))) return true;
    }
    return false;
  },
  async *read(sources, reading) {
    for (const source of sources) {
      const files = await filesBelow(source, (path) => METADATA.test(basename(path)));
      if (files.length === 0)
        throw new UserError(
          `${source}: found no metadata.csv, metadata.jsonl or metadata.parquet; expected one`,
        );
      for (const file of files) yield* tableClips(file, reading, setIn(relative(source, dirname(file))));
    }
  },
};

const METADATA = /^metadata\.(?:csv|jsonl|parquet)$/;
