/** Reads the rows of manifests as they stand there: tables in tabs or commas, or a JSON object a line. */
import { excerpt, reasonOf, UserError } from '../errors.ts';
import { csvRows } from '../files/csv.ts';
import { csvLine } from '../files/csv-line.ts';
import { textLines } from '../files/lines.ts';
import { languageProfile } from '../language/profile.ts';
import { COLUMN_NAMES, type ColumnField, columnOf, partColumns, TRANSLATION } from './column-names.ts';

const FORMATS = ['tsv', 'csv', 'jsonl'] as const;
type Format = (typeof FORMATS)[number];

const EXPECTED = 'a manifest (.tsv, .csv or .jsonl)';
/** Columns that a clip has as fields; `source_text`, `en` and `zh` are older names of `text`, `text_en` and `text_zh`. */
const COLUMNS = ['audio', 'lang', 'set', 'key', 'text', 'source_text', 'en', 'zh', 'duration_s'];
/** Fields of a clip that other names are read for, where there is none of ours. Who speaks is a column like any other. */
const FOREIGN: readonly ColumnField[] = ['audio', 'lang', 'set', 'key', 'text', 'duration_s'];
/** Different sets of keys in JSON lines that are remembered. */
const MAX_KNOWN = 1000;

/** The format of a manifest by its name, which may have `.gz` behind it; undefined: it has another ending. */
export function manifestFormat(path: string): Format | undefined {
  const name = path.toLowerCase().replace(/\.gz$/, '');
  return FORMATS.find((format) => name.endsWith(`.${format}`));
}

/** A line of a manifest: its values, in the order of the columns. */
export interface Row {
  readonly columns: Columns;
  readonly values: readonly string[];
  /** Its number, from 1; of a quoted cell with line breaks that of the last. */
  readonly line: number;
  /** Of JSON lines: as it stands in the file. */
  readonly source?: string;
}

/** Where a manifest's columns stand; the same object for all rows of a table. */
export interface Columns {
  readonly format: Format;
  readonly names: readonly string[];
  /** Between the cells of a table. */
  readonly delimiter: string;
  /** Places of the columns with a meaning; undefined: missing. */
  readonly places: Readonly<Record<string, number | undefined>>;
  readonly translations: readonly (readonly [code: string, place: number])[];
  readonly others: readonly (readonly [name: string, place: number])[];
  /** Where the columns stand that name a part of a recording. */
  readonly part?: PartColumns | undefined;
}

export interface PartColumns {
  readonly start: Column;
  /** Where the part ends, or how long it is. */
  readonly end: Column;
}

interface Column {
  readonly name: string;
  readonly place: number;
}

/** Reports a row that cannot be used; without it such a row is an error. */
export type OnBadRow = ((line: number, reason: string) => void) | undefined;

/**
 * The rows of a manifest.
 * @param needsAudio whether there must be a column of recordings
 * @throws UserError naming file and line, what was found and what was expected
 */
export function readRows(
  path: string,
  { needsAudio, onBadRow }: { readonly needsAudio: boolean; readonly onBadRow: OnBadRow },
): AsyncGenerator<Row, void, undefined> {
  const format = manifestFormat(path);
  if (format === 'jsonl') return readJsonLines(path, onBadRow);
  return readTable(path, format ?? 'tsv', needsAudio, onBadRow);
}

/** The first line of a table; undefined of JSON lines, which have none. */
export function headerLine({ columns }: Row): string | undefined {
  return columns.format === 'jsonl' ? undefined : joined(columns, columns.names);
}

/** A row as it is written; of JSON lines as it stands in the file. */
export const rowLine = ({ columns, values, source }: Row): string => source ?? joined(columns, values);

/** A row with some values replaced. @param replacements by the field of a clip; those without a column are left out */
export function withValues(row: Row, replacements: Readonly<Record<string, string>>): Row {
  const { columns, values, source } = row;
  const found = Object.entries(replacements).flatMap(([field, value]): [number, string][] => {
    const place = columns.places[field];
    return place === undefined || values[place] === value ? [] : [[place, value]];
  });
  if (found.length === 0) return row;
  const replaced = [...values];
  for (const [place, value] of found) replaced[place] = value;
  if (source === undefined) return { ...row, values: replaced };
  const parsed = JSON.parse(source) as Record<string, unknown>;
  for (const [place, value] of found) {
    const name = columns.names[place]!;
    parsed[name] = typeof parsed[name] === 'number' ? Number(value) : value;
  }
  return { ...row, values: replaced, source: JSON.stringify(parsed) };
}

const joined = ({ format, delimiter }: Columns, cells: readonly string[]): string =>
  format === 'csv' ? csvLine(cells, delimiter) : cells.join(delimiter);

function columnsOf(format: Format, names: readonly string[], delimiter = ''): Columns {
  const places: Record<string, number | undefined> = {};
  const foreign = new Set<number>();
  const part = partColumns(names);
  for (const name of COLUMNS) if (names.includes(name)) places[name] = names.indexOf(name);
  for (const field of FOREIGN) {
    const found = columnOf(field, names);
    const isThere = places[field] !== undefined || (field === 'text' && places.source_text !== undefined);
    if (isThere || found === undefined) continue;
    places[field] = names.indexOf(found);
    foreign.add(places[field]);
  }
  const translations: [string, number][] = [];
  const others: [string, number][] = [];
  for (const [place, name] of names.entries()) {
    const code = TRANSLATION.exec(name)?.[1];
    if (code !== undefined) translations.push([languageProfile(code).code, place]);
    // A part is in the reference of the recording: beside it, it would be taken again where the clips are written.
    else if (!COLUMNS.includes(name) && !foreign.has(place) && !part?.includes(name))
      others.push([name, place]);
  }
  const column = (name: string): Column => ({ name, place: names.indexOf(name) });
  return {
    format,
    names,
    delimiter,
    places,
    translations,
    others,
    ...(part && { part: { start: column(part[0]), end: column(part[1]) } }),
  };
}

/** The columns of a table's header line. */
function headerOf(path: string, format: Format, { cells, delimiter }: Cells, needsAudio: boolean): Columns {
  const names = cells.map((name) => name.trim());
  const line = cells.join(delimiter);
  const isCsv = format === 'csv';
  const columns = columnsOf(format, names, delimiter);
  if (columns.places.audio === undefined && needsAudio) {
    const hint = !isCsv && names.length === 1 && line.includes(',');
    throw new UserError(
      `${path}:1: found the header ${excerpt(line)}; expected ${isCsv ? 'comma' : 'tab'}-separated column names with ` +
        `"audio" among them (or ${COLUMN_NAMES.audio.slice(1).join(', ')})` +
        `${hint ? '; a comma-separated file must be named .csv' : ''}`,
    );
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new UserError(`${path}:1: found the column ${excerpt(repeated)} twice; expected each name once`);
  }
  return columns;
}

/** A line of a table. */
interface Cells {
  readonly cells: readonly string[];
  readonly line: number;
  readonly delimiter: string;
}

async function* tabRows(path: string): AsyncGenerator<Cells> {
  for await (const { text, number } of textLines(path, EXPECTED)) {
    // Only the header may be blank: it is an error then.
    if (number === 1 || text.trim() !== '') yield { cells: text.split('\t'), line: number, delimiter: '\t' };
  }
}

async function* readTable(
  path: string,
  format: Format,
  needsAudio: boolean,
  onBadRow: OnBadRow,
): AsyncGenerator<Row, void, undefined> {
  let columns: Columns | undefined;
  for await (const row of format === 'csv' ? csvRows(path, EXPECTED) : tabRows(path)) {
    const { cells, line } = row;
    if (columns === undefined) {
      columns = headerOf(path, format, row, needsAudio);
      continue;
    }
    const { length } = columns.names;
    if (cells.length === length) {
      yield { columns, values: cells, line };
      continue;
    }
    const reason = `found ${cells.length} columns; expected ${length} as in the header`;
    if (!onBadRow) throw new UserError(`${path}:${line}: ${reason}`);
    onBadRow(line, reason);
  }
  if (columns === undefined) headerOf(path, format, { cells: [''], line: 1, delimiter: '' }, needsAudio);
}

async function* readJsonLines(path: string, onBadRow: OnBadRow): AsyncGenerator<Row, void, undefined> {
  // Lines with the same keys share their columns.
  const known = new Map<string, Columns>();
  for await (const { text, number } of textLines(path, EXPECTED)) {
    if (text.trim() === '') continue;
    const where = `${path}:${number}`;
    let row: Row;
    try {
      row = jsonRow(where, text, number, known);
    } catch (error) {
      if (!onBadRow || !(error instanceof UserError)) throw error;
      onBadRow(number, reasonOf(where, error));
      continue;
    }
    yield row;
  }
}

function jsonRow(where: string, source: string, line: number, known: Map<string, Columns>): Row {
  let parsed: unknown;
  try {
    parsed = JSON.parse(source);
  } catch {
    throw new UserError(`${where}: found ${excerpt(source)}; expected a JSON object`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new UserError(`${where}: found ${excerpt(source)}; expected a JSON object`);
  }
  const names: string[] = [];
  const values: string[] = [];
  for (const [name, value] of Object.entries(parsed)) {
    if (value === null) continue;
    const isText = typeof value === 'string' || typeof value === 'number';
    if (!isText && (COLUMNS.includes(name) || TRANSLATION.test(name))) {
      throw new UserError(
        `${where}: found ${excerpt(JSON.stringify(value))} as "${name}"; expected a string or number`,
      );
    }
    names.push(name);
    values.push(isText ? String(value) : JSON.stringify(value));
  }
  const key = names.join('\n');
  const columns = known.get(key) ?? columnsOf('jsonl', names);
  if (known.size < MAX_KNOWN) known.set(key, columns);
  return { columns, values, line, source };
}
