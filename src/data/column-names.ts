/** Names that corpora and tools give the columns of a manifest, and which of a table's columns are which. */

import type { Part } from '../audio/audio-reference.ts';
import { excerpt, UserError } from '../errors.ts';

/** By our name, which comes first; the likelier before the others. */
export const COLUMN_NAMES = {
  audio: 'audio path file file_name filename audio_path audio_filepath audio_file wav wav_filename'.split(
    ' ',
  ),
  lang: 'lang language locale'.split(' '),
  set: 'set split'.split(' '),
  key: 'key sentence_id'.split(' '),
  text: 'text sentence transcription transcript raw_transcription source_text raw_text normalized_text'.split(
    ' ',
  ),
  speaker: 'speaker speaker_id client_id spk_id spkid spk speaker_name'.split(' '),
  duration_s: 'duration_s duration audio_duration'.split(' '),
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type ColumnField = keyof typeof COLUMN_NAMES;

/** The column that holds a field; undefined: none of its names is there. */
export const columnOf = (field: ColumnField, names: readonly string[]): string | undefined =>
  COLUMN_NAMES[field].find((name) => names.includes(name));

/** `text_de`, `text_pt-BR`: the sentence in another language. */
export const TRANSLATION = /^text_([a-z]{2,3}(?:[-_][a-z]{4})?(?:[-_](?:[a-z]{2}|\d{3}))?)$/i;

/** `pseudo_de`: by whom `text_de` was written, a program. */
export const PSEUDO = /^pseudo_(.+)$/;
/** By what the recording was made, a program: the column that `synthesise` writes. */
export const SYNTHETIC = 'synthetic';

/** Pairs of columns that name a part of a recording, seconds: where it begins, and where it ends or how long it is. */
const PARTS: readonly (readonly [start: string, end: string])[] = [
  ['start_s', 'end_s'],
  ['start', 'end'],
  ['start_time', 'end_time'],
  ['offset', 'duration'],
  ['start', 'duration'],
];

/** The pair of a table; undefined: it has none. */
export const partColumns = (names: readonly string[]): (typeof PARTS)[number] | undefined =>
  PARTS.find((pair) => pair.every((name) => names.includes(name)));

/** Whether the second column of a pair says how long the part is instead of where it ends. */
export const isLength = (endColumn: string): boolean => endColumn === 'duration';

/**
 * The part of a recording that two columns name. An end of 0 is none: from 0 it is the whole recording, undefined; else all
 * that follows.
 * @returns 'reversed' where it ends before it begins
 */
export function partOf(from: number, end: number, endIsLength: boolean): Part | 'reversed' | undefined {
  if (end === 0) return from === 0 ? undefined : { from };
  const to = endIsLength ? from + end : end;
  return to > from ? { from, to } : 'reversed';
}

/** Seconds in a cell; NaN of one that is blank. @throws UserError for what is no length or place of time */
export function secondsIn(where: string, column: string, cell: string): number {
  const text = cell.trim();
  if (text === '') return Number.NaN;
  const seconds = Number(text);
  if (seconds >= 0 && seconds < Number.POSITIVE_INFINITY) return seconds;
  throw new UserError(`${where}: found "${column}" ${excerpt(text)}; expected seconds such as 2.35`);
}
