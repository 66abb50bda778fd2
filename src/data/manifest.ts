/** Reads manifests: lists of recordings with transcripts and translations. */
import { dirname } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import { type Part, partReference, resolveReference } from '../audio/audio-reference.ts';
import { excerpt, UserError } from '../errors.ts';
import { readText } from '../files/read.ts';
import { languageProfile, spokenCode } from '../language/profile.ts';
import type { Clip } from './clip.ts';

/** Endings of manifests' names, in small letters. */
export const MANIFESTS: readonly string[] = ['.tsv', '.csv', '.jsonl'];

/** Columns with a meaning of their own; `source_text`, `en` and `zh` are older names of `text`, `text_en` and `text_zh`. */
const COLUMNS = ['audio', 'lang', 'set', 'key', 'text', 'source_text', 'en', 'zh', 'duration_s'];
/** Names that other tools give the columns; read where there is none of ours. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  audio: ['path', 'file', 'file_name', 'filename', 'audio_path', 'audio_filepath'],
  text: ['sentence', 'transcription', 'transcript'],
  lang: ['language', 'locale'],
};
/** Pairs of columns that name a part of a recording, seconds: where it begins, and where it ends or how long it is. */
export const PARTS: readonly (readonly [start: string, end: string])[] = [
  ['start_s', 'end_s'],
  ['start', 'end'],
  ['start_time', 'end_time'],
  ['offset', 'duration'],
  ['start', 'duration'],
];
/** `text_de`, `text_pt-BR`: the sentence in another language. */
export const TRANSLATION = /^text_([a-z]{2,3}(?:[-_][a-z]{4})?(?:[-_](?:[a-z]{2}|\d{3}))?)$/i;
/** Node's longest string is a little above this; a manifest of ten million clips is below. */
const MAX_BYTES = 512_000_000;

/**
 * Reads a manifest: tab-separated with a header line or, by the ending of its name, comma-separated with quotes
 * (`.csv`, RFC 4180) or a JSON object a line (`.jsonl`). Columns may stand in any order and all but `audio` may be
 * missing. In `.tsv`, quotes and backslashes are text like any other. Does not check that the recordings exist.
 *
 * @param options `withoutAudio`: rows may be text alone; their `audio` is ''
 * @throws UserError naming file and line, what was found and what was expected.
 */
export async function readManifest(
  path: string,
  { withoutAudio = false }: { readonly withoutAudio?: boolean } = {},
): Promise<Clip[]> {
  const clips: Clip[] = [];
  for await (const { clip } of manifestRows(path, { withoutAudio })) clips.push(clip);
  if (clips.length === 0) throw new UserError(`${path}: found no clips; expected at least one`);
  return clips;
}

/** A row of a manifest, as it stands there. */
export interface ManifestRow {
  readonly clip: Clip;
  /** Number of its line, from 1; of a quoted cell with line breaks the last. */
  readonly line: number;
  readonly row: Row;
}

/**
 * The rows of a manifest, one after the other; see readManifest.
 * @param options `onBadRow`: called with a row that cannot be used, which is left out; default: it is an error
 */
export async function* manifestRows(
  path: string,
  {
    withoutAudio = false,
    onBadRow,
  }: {
    readonly withoutAudio?: boolean;
    readonly onBadRow?: (line: number, reason: string) => void;
  } = {},
): AsyncGenerator<ManifestRow, void, undefined> {
  const text = await readText(path, 'a manifest (.tsv, .csv or .jsonl)', MAX_BYTES);
  const rows = rowsOf(path, text, withoutAudio, onBadRow);
  const folder = dirname(path);
  for (const row of rows) {
    let clip: Clip;
    try {
      clip = toClip(path, folder, row, withoutAudio);
    } catch (error) {
      if (!onBadRow || !(error instanceof UserError)) throw error;
      onBadRow(row.line, reasonOf(path, row.line, error));
      continue;
    }
    yield { clip, line: row.line, row };
  }
}

/** Reports a row that cannot be used. */
type OnBadRow = ((line: number, reason: string) => void) | undefined;

/** What is wrong with a row, without the place that its message begins with. */
const reasonOf = (path: string, line: number, { message }: UserError): string =>
  message.startsWith(`${path}:${line}: `) ? message.slice(`${path}:${line}: `.length) : message;

function rowsOf(path: string, text: string, withoutAudio: boolean, onBadRow: OnBadRow): Iterable<Row> {
  const name = path.toLowerCase();
  if (name.endsWith('.jsonl')) return readJsonLines(path, text, onBadRow);
  return name.endsWith('.csv')
    ? readCsv(path, text, withoutAudio, onBadRow)
    : readTable(path, text, withoutAudio, onBadRow);
}

/** A line of a manifest: its values, in the order of the columns. */
export interface Row {
  readonly columns: Columns;
  readonly values: readonly string[];
  readonly line: number;
  /** As it stands in the file; of a CSV its cells, quoted anew. */
  readonly source: string;
}

/** The first line of a table; undefined of JSON lines, which have none. */
export const headerLine = ({ columns }: Row): string | undefined => columns.header;

/** A row as it stands in the file, but for the path of its recording. @param move the new path of a path as it is written there */
export function withAudioMoved(path: string, row: Row, move: (audio: string) => string): string {
  const { columns, values, source } = row;
  const place = columns.places.audio;
  if (place === undefined) return source;
  const name = path.toLowerCase();
  const moved = move(values[place]!);
  if (name.endsWith('.jsonl')) {
    const parsed = JSON.parse(source) as Record<string, unknown>;
    return JSON.stringify({ ...parsed, [columns.names[place]!]: moved });
  }
  const cells = values.map((value, i) => (i === place ? moved : value));
  return name.endsWith('.csv') ? csvCells(cells, columns.delimiter) : cells.join('\t');
}

const csvCells = (cells: readonly string[], delimiter: string): string =>
  cells
    .map((cell) =>
      cell.includes(delimiter) || /["\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell,
    )
    .join(delimiter);

/** Where a manifest's columns stand; the same object for all rows of a table. */
interface Columns {
  readonly names: readonly string[];
  /** The first line of a table. */
  readonly header?: string;
  /** Between the cells of a table. */
  readonly delimiter: string;
  /** Places of the columns with a meaning; undefined: missing. */
  readonly places: Readonly<Record<string, number | undefined>>;
  readonly translations: readonly (readonly [code: string, place: number])[];
  readonly others: readonly (readonly [name: string, place: number])[];
  /** Where the columns stand that name a part of a recording. */
  readonly part?: PartColumns | undefined;
}

interface PartColumns {
  readonly start: Column;
  /** Where the part ends, or how long it is. */
  readonly end: Column;
}

interface Column {
  readonly name: string;
  readonly place: number;
}

function columnsOf(names: readonly string[], table?: { header: string; delimiter: string }): Columns {
  const places: Record<string, number | undefined> = {};
  const foreign = new Set<number>();
  for (const name of COLUMNS) if (names.includes(name)) places[name] = names.indexOf(name);
  for (const [name, candidates] of Object.entries(FOREIGN)) {
    const found = candidates.find((candidate) => names.includes(candidate));
    const isThere = places[name] !== undefined || (name === 'text' && places.source_text !== undefined);
    if (isThere || found === undefined) continue;
    places[name] = names.indexOf(found);
    foreign.add(places[name]);
  }
  const translations: [string, number][] = [];
  const others: [string, number][] = [];
  for (const [place, name] of names.entries()) {
    const code = TRANSLATION.exec(name)?.[1];
    if (code !== undefined) translations.push([languageProfile(code).code, place]);
    else if (!COLUMNS.includes(name) && !foreign.has(place)) others.push([name, place]);
  }
  const [start, end] = PARTS.find((pair) => pair.every((name) => names.includes(name))) ?? [];
  const column = (name: string): Column => ({ name, place: names.indexOf(name) });
  const part = start === undefined ? undefined : { start: column(start), end: column(end!) };
  return { names, delimiter: '', ...table, places, translations, others, part };
}

/** The columns of a table's header line. */
function headerOf(
  path: string,
  header: readonly string[],
  line: string,
  {
    expected,
    hint = '',
    withoutAudio,
    delimiter,
  }: { expected: string; hint?: string; withoutAudio: boolean; delimiter: string },
): Columns {
  const names = header.map((name) => name.trim());
  const columns = columnsOf(names, { header: line, delimiter });
  if (columns.places.audio === undefined && !withoutAudio) {
    throw new UserError(
      `${path}:1: found the header ${excerpt(line)}; expected ${expected} column names with "audio" among them ` +
        `(or ${FOREIGN.audio!.join(', ')})${hint}`,
    );
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new UserError(`${path}:1: found the column "${repeated}" twice; expected each name once`);
  }
  return columns;
}

/** Whether a row has as many cells as the header. @throws UserError where it has not, and nobody asked for such rows */
function hasCells(path: string, line: number, cells: number, header: number, onBadRow: OnBadRow): boolean {
  if (cells === header) return true;
  const reason = `found ${cells} columns; expected ${header} as in the header`;
  if (!onBadRow) throw new UserError(`${path}:${line}: ${reason}`);
  onBadRow(line, reason);
  return false;
}

function* readTable(path: string, text: string, withoutAudio: boolean, onBadRow: OnBadRow): Generator<Row> {
  let columns: Columns | undefined;
  let count = 0;
  let line = 0;
  for (let start = 0; start <= text.length; ) {
    const found = text.indexOf('\n', start);
    const end = found < 0 ? text.length : found;
    const content = text.slice(start, text[end - 1] === '\r' && end > start ? end - 1 : end);
    start = end + 1;
    line++;
    const values = content.split('\t');
    if (columns === undefined) {
      const commas = values.length === 1 && content.includes(',');
      const hint = commas ? '; a comma-separated file must be named .csv' : '';
      columns = headerOf(path, values, content, {
        expected: 'tab-separated',
        hint,
        withoutAudio,
        delimiter: '\t',
      });
      count = values.length;
      continue;
    }
    if (content.trim() === '') continue;
    if (hasCells(path, line, values.length, count, onBadRow))
      yield { columns, values, line, source: content };
  }
}

function* readCsv(path: string, text: string, withoutAudio: boolean, onBadRow: OnBadRow): Generator<Row> {
  const header = text.split('\n', 1)[0]!.trimEnd();
  // Spreadsheets write semicolons where the comma is the decimal point.
  const delimiter = [',', ';', '\t'].find((character) => header.includes(character)) ?? ',';
  let rows: { record: string[]; info: { lines: number } }[];
  try {
    rows = parse(text, {
      delimiter,
      info: true,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
    }) as unknown as typeof rows;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error.lines === 'number' ? error.lines : 1;
    throw new UserError(
      `${path}:${line}: not comma-separated values: ${error.code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quotation mark opens and none closes it' : error.message}`,
    );
  }
  const [first, ...lines] = rows;
  const columns = headerOf(path, first?.record ?? [''], header, {
    expected: 'comma-separated',
    withoutAudio,
    delimiter,
  });
  const count = first!.record.length;
  for (const { record, info } of lines) {
    if (!hasCells(path, info.lines, record.length, count, onBadRow)) continue;
    yield { columns, values: record, line: info.lines, source: csvCells(record, delimiter) };
  }
}

function* readJsonLines(path: string, text: string, onBadRow: OnBadRow): Generator<Row> {
  // Lines with the same keys share their columns.
  const known = new Map<string, Columns>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    try {
      yield jsonRow(`${path}:${i + 1}`, line, i + 1, known);
    } catch (error) {
      if (!onBadRow || !(error instanceof UserError)) throw error;
      onBadRow(i + 1, reasonOf(path, i + 1, error));
    }
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
  const columns = known.get(key) ?? columnsOf(names);
  known.set(key, columns);
  return { columns, values, line, source };
}

/** One object for the many rows without translations, or other columns. */
const NONE: Readonly<Record<string, string>> = Object.freeze({});

function toClip(path: string, folder: string, { columns, values, line }: Row, withoutAudio: boolean): Clip {
  const { places } = columns;
  const value = (name: string): string => {
    const place = places[name];
    return place === undefined ? '' : values[place]!;
  };
  const audio = value('audio');
  if (audio.trim() === '' && !withoutAudio)
    throw new UserError(`${path}:${line}: found no "audio"; expected the path of a recording`);
  if (audio.includes('\0'))
    throw new UserError(`${path}:${line}: found a NUL in "audio"; expected the path of a recording`);
  const seconds = value('duration_s').trim();
  const duration = seconds === '' ? Number.NaN : Number(seconds);
  if (seconds !== '' && !(duration >= 0 && duration < Number.POSITIVE_INFINITY)) {
    throw new UserError(
      `${path}:${line}: found "duration_s" ${excerpt(seconds)}; expected seconds such as 2.35`,
    );
  }
  const part = audio.trim() === '' ? undefined : partOf(`${path}:${line}`, columns.part, values);
  const language = spokenCode(value('lang'));
  const translations = translationsOf(columns, values);
  // Older manifests have English transcripts in `en` only.
  const text = value('source_text') || value('text') || translations[languageProfile(language).code];
  return {
    audio: audio.trim() === '' ? '' : audioOf(folder, audio, part),
    language,
    set: value('set'),
    key: value('key'),
    text: text ?? '',
    translations,
    duration: Number.isNaN(duration) && part?.to !== undefined ? part.to - part.from : duration,
    other:
      columns.others.length === 0
        ? NONE
        : Object.fromEntries(columns.others.map(([name, place]) => [name, values[place]!])),
  };
}

function audioOf(folder: string, audio: string, part: Part | undefined): string {
  const whole = resolveReference(folder, audio);
  return part ? partReference(whole, part) : whole;
}

/** The part of the recording that a row names; undefined: the whole, also where both columns are empty or 0. */
function partOf(
  where: string,
  columns: PartColumns | undefined,
  values: readonly string[],
): Part | undefined {
  if (!columns) return undefined;
  const secondsIn = ({ name, place }: Column): number => {
    const text = values[place]!.trim();
    const seconds = Number(text);
    if (seconds >= 0 && seconds < Number.POSITIVE_INFINITY) return seconds;
    throw new UserError(`${where}: found "${name}" ${excerpt(text)}; expected seconds such as 2.35`);
  };
  const from = secondsIn(columns.start);
  const end = secondsIn(columns.end);
  if (end === 0) return from === 0 ? undefined : { from };
  const to = columns.end.name === 'duration' ? from + end : end;
  if (to > from) return { from, to };
  throw new UserError(
    `${where}: found a part from ${from} to ${to} s ("${columns.start.name}", "${columns.end.name}"); ` +
      'expected an end after its beginning',
  );
}

function translationsOf(
  { places, translations }: Columns,
  values: readonly string[],
): Readonly<Record<string, string>> {
  let found: Record<string, string> | undefined;
  const add = (code: string, place: number | undefined): void => {
    const text = place === undefined ? '' : values[place]!;
    if (text === '') return;
    found ??= {};
    found[code] = text;
  };
  add('en', places.en);
  add('zh', places.zh);
  for (const [code, place] of translations) add(code, place);
  return found ?? NONE;
}
