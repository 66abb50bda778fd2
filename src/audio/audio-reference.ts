/**
 * References to recordings as one text: the path of a file, a member of a tar (`talks.tar#a/b.flac`), a cell of a Parquet
 * table (`clips.parquet#row=12&column=audio`), and behind each of them a part of it in seconds (`#t=12.5,17.2`, a W3C media
 * fragment). A file whose own name holds such a text and exists is that file: `openAudio` looks.
 */
import { dirname, extname, join, relative, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

export interface AudioReference {
  /** Path of the file on disk: a recording, a tar or a table. */
  readonly file: string;
  /** Name of a member of the tar, as it stands there. */
  readonly member?: string;
  readonly cell?: Cell;
  readonly part?: Part;
}

/** Where in a table the bytes of a file stand. */
export interface Cell {
  /** From 0. */
  readonly row: number;
  /** Of bytes, or of `{bytes, path}`. */
  readonly column: string;
}

/** A part of a recording, seconds. */
export interface Part {
  readonly from: number;
  /** Default: the end. */
  readonly to?: number | undefined;
}

/** Column of the bytes where a reference names none: that of Hugging Face's datasets. */
const AUDIO_COLUMN = 'audio';

const PART = /^(.+)#t=([^#/\\]*)$/s;
const TIMES = /^(\d+(?:\.\d*)?|\.\d+)?(?:,(\d+(?:\.\d*)?|\.\d+))?$/;
const MEMBER = /^(.*?\.(?:tar|tar\.gz|tgz))#(.+)$/is;
const CELL = /^(.+)#(row=[^#/\\]*)$/s;

/** Whether a path is that of an archive whose members can be named. */
export const isTar = (path: string): boolean => /\.(?:tar|tar\.gz|tgz)$/i.test(path);

/** Whether a text may be more than a path. */
export const isReference = (text: string): boolean => text.includes('#');

/**
 * What a reference names, by its text alone.
 * @throws UserError where times, a row or a column are none
 */
export function parseReference(text: string): AudioReference {
  if (!isReference(text)) return { file: text };
  const [, before, times] = PART.exec(text) ?? [];
  if (before === undefined) return parseWhole(text);
  return { ...parseWhole(before), part: parsePart(text, times!) };
}

/** The reference of the whole recording that a part is of. */
export const withoutPart = (text: string): string => PART.exec(text)?.[1] ?? text;

function parseWhole(text: string): AudioReference {
  const [, archive, member] = MEMBER.exec(text) ?? [];
  if (archive !== undefined) return { file: archive, member: member! };
  const [, table, place] = CELL.exec(text) ?? [];
  if (table === undefined) return { file: text };
  const values = new URLSearchParams(place);
  const row = values.get('row')!;
  const others = [...values.keys()].filter(
    (key, i, keys) => keys.indexOf(key) !== i || !/^(?:row|column)$/.test(key),
  );
  const column = values.get('column') ?? AUDIO_COLUMN;
  if (!/^\d{1,15}$/.test(row) || column === '' || others.length > 0) {
    throw new UserError(
      `${text}: found ${JSON.stringify(place)}; expected a row, counted from 0, and a column: #row=12&column=audio`,
    );
  }
  return { file: table, cell: { row: Number(row), column } };
}

function parsePart(text: string, times: string): Part {
  const [found, from, to] = TIMES.exec(times) ?? [];
  if (!found || found === ',') {
    throw new UserError(
      `${text}: found the times ${JSON.stringify(times)}; expected seconds from and to: #t=12.5,17.2`,
    );
  }
  const part = { from: Number(from ?? 0), ...(to !== undefined && { to: Number(to) }) };
  checkPart(text, part);
  return part;
}

function checkPart(name: string, { from, to = Number.POSITIVE_INFINITY }: Part): void {
  if (!(from >= 0 && Number.isFinite(from))) {
    throw new UserError(`${name}: found a part from ${from} s; expected a time in the recording`);
  }
  if (!(sampleAt(from) < sampleAt(to))) {
    throw new UserError(`${name}: found a part from ${from} to ${to} s; expected an end after its beginning`);
  }
}

/** The sample at 16 kHz at which a time lies. */
export const sampleAt = (seconds: number): number => Math.round(seconds * SAMPLE_RATE);

/** A member of a tar. @throws UserError for a name that would be read as another reference */
export function memberReference(archive: string, member: string): string {
  const text = `${archive}#${member}`;
  if (member === '' || PART.test(text) || parseReference(text).file !== archive) {
    throw new UserError(
      `${archive}: found the member ${JSON.stringify(member)}; expected a .tar, .tar.gz or .tgz and a member's name, ` +
        'which does not end in #t=…',
    );
  }
  return text;
}

/** A cell of a Parquet table. */
export const cellReference = (table: string, row: number, column: string = AUDIO_COLUMN): string =>
  `${table}#row=${row}&column=${encodeURIComponent(column)}`;

/**
 * A part of a recording, or of a part of it.
 * @param audio any reference
 * @throws UserError where it ends before it begins
 */
export function partReference(audio: string, part: Part): string {
  checkPart(audio, part);
  const [, before, times] = PART.exec(audio) ?? [];
  const outer: Part = before === undefined ? { from: 0 } : parsePart(audio, times!);
  const from = outer.from + part.from;
  const to = Math.min(
    outer.to ?? Number.POSITIVE_INFINITY,
    outer.from + (part.to ?? Number.POSITIVE_INFINITY),
  );
  checkPart(audio, { from, to });
  return `${before ?? audio}#t=${timeText(from)}${to === Number.POSITIVE_INFINITY ? '' : `,${timeText(to)}`}`;
}

/** To a sixteenth of a millisecond: a sample. */
const timeText = (seconds: number): string => String(Number(seconds.toFixed(6)));

/** The path of the file on disk, and what stands behind it. */
function split(text: string): readonly [file: string, rest: string] {
  if (!isReference(text)) return [text, ''];
  const part = PART.exec(text);
  const whole = part ? part[1]! : text;
  const file = MEMBER.exec(whole)?.[1] ?? CELL.exec(whole)?.[1] ?? whole;
  return [file, text.slice(file.length)];
}

/** The path of the file on disk. */
export const fileOfReference = (text: string): string => split(text)[0];

/** A reference whose file is looked for in a folder, as node's `resolve`; what names a member stays as it stands. */
export function resolveReference(folder: string, text: string): string {
  const [file, rest] = split(text);
  return resolve(folder, file) + rest;
}

/** A reference relative to a folder, as node's `relative`, with slashes. */
export function relativeReference(folder: string, text: string): string {
  const [file, rest] = split(text);
  return relative(folder, file).replaceAll('\\', '/') + rest;
}

/**
 * A path to name results after: `talks.tar#a/b.flac#t=1.5,3` is `talks/a/b-1.5-3.flac`. Never above the archive's folder.
 * What is no reference, though it has its sign, is a path.
 */
export function pathForResults(text: string): string {
  if (!isReference(text)) return text;
  let reference: AudioReference;
  try {
    reference = parseReference(text);
  } catch {
    return text;
  }
  const { file, member, cell, part } = reference;
  const ending = extname(member ?? file);
  let path = file;
  if (member !== undefined) {
    const folders = member.split(/[/\\]/).filter((name) => !/^\.{0,2}$/.test(name));
    path = join(file.replace(/\.(?:tar|tar\.gz|tgz)$/i, ''), folders.join('/'));
  }
  path = ending === '' ? path : path.slice(0, -ending.length);
  if (cell)
    path += `-${cell.row}${cell.column === AUDIO_COLUMN ? '' : `-${cell.column.replace(/[^\w-]/g, '_')}`}`;
  if (part) path += `-${part.from}-${part.to ?? 'end'}`;
  return resolve(dirname(file), path) + ending;
}
