/** Reads manifests: lists of recordings with transcripts and translations. */
import { dirname } from 'node:path';
import { type Part, partReference, resolveReference } from '../audio/audio-reference.ts';
import { reasonOf, UserError } from '../errors.ts';
import { languageProfile, spokenCode } from '../language/profile.ts';
import type { Clip } from './clip.ts';
import { isLength, partOf, secondsIn } from './column-names.ts';
import { type Columns, type Row, readRows } from './manifest-rows.ts';

/**
 * Reads a manifest: tab-separated with a header line or, by the ending of its name, comma-separated with quotes
 * (`.csv`, RFC 4180) or a JSON object a line (`.jsonl`); with `.gz` behind it, compressed. Columns may stand in any order and
 * all but `audio` may be missing. In `.tsv`, quotes and backslashes are text like any other. Does not check that the
 * recordings exist.
 *
 * @param options `withoutAudio`: rows may be text alone; their `audio` is ''
 * @param kept what is held of a clip; default: all, some 700 bytes
 * @throws UserError naming file and line, what was found and what was expected.
 */
export async function readManifest<T = Clip>(
  path: string,
  { withoutAudio = false }: { readonly withoutAudio?: boolean } = {},
  kept: (clip: Clip) => T = (clip) => clip as T,
): Promise<T[]> {
  const clips: T[] = [];
  for await (const { clip } of manifestRows(path, { withoutAudio })) clips.push(kept(clip));
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
 * The rows of a manifest, one after the other, in memory for a piece of the file; see readManifest.
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
  const folder = dirname(path);
  const shared = sharedTexts();
  for await (const row of readRows(path, { needsAudio: !withoutAudio, onBadRow })) {
    let clip: Clip;
    try {
      clip = toClip(`${path}:${row.line}`, folder, row, { withoutAudio, shared });
    } catch (error) {
      if (!onBadRow || !(error instanceof UserError)) throw error;
      onBadRow(row.line, reasonOf(`${path}:${row.line}`, error));
      continue;
    }
    yield { clip, line: row.line, row };
  }
}

/** Texts that are remembered: sets, languages and speakers are few. */
const MAX_SHARED = 100_000;
/** Characters of a text that many rows may have. */
const MAX_SHARED_LENGTH = 200;

/** Gives one string for all that are equal: a million rows with a speaker of 128 letters hold each speaker once. */
function sharedTexts(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    if (text.length > MAX_SHARED_LENGTH) return text;
    const found = known.get(text);
    if (found !== undefined) return found;
    if (known.size < MAX_SHARED) known.set(text, text);
    return text;
  };
}

/** One object for the many rows without translations, or other columns. */
const NONE: Readonly<Record<string, string>> = Object.freeze({});

function toClip(
  where: string,
  folder: string,
  { columns, values }: Row,
  { withoutAudio, shared }: { readonly withoutAudio: boolean; readonly shared: (text: string) => string },
): Clip {
  const { places } = columns;
  const value = (name: string): string => {
    const place = places[name];
    return place === undefined ? '' : values[place]!;
  };
  const audio = value('audio');
  const isText = audio.trim() === '';
  if (isText && !withoutAudio)
    throw new UserError(`${where}: found no "audio"; expected the path of a recording`);
  if (audio.includes('\0'))
    throw new UserError(`${where}: found a NUL in "audio"; expected the path of a recording`);
  const part = isText ? undefined : partIn(where, columns, values);
  const language = spokenCode(value('lang'));
  const translations = translationsOf(columns, values);
  // Older manifests have English transcripts in `en` only.
  const text = value('source_text') || value('text') || translations[languageProfile(language).code];
  return {
    audio: isText ? '' : audioOf(folder, audio, part),
    language: shared(language),
    set: shared(value('set')),
    key: value('key'),
    text: text ?? '',
    translations,
    duration: durationIn(where, columns, values, part),
    other:
      columns.others.length === 0
        ? NONE
        : Object.fromEntries(columns.others.map(([name, place]) => [name, shared(values[place]!)])),
  };
}

/** Seconds; NaN where the row does not say it. */
function durationIn(
  where: string,
  { places, names, part: pair }: Columns,
  values: readonly string[],
  part: Part | undefined,
): number {
  const place = places.duration_s;
  const duration =
    place === undefined || place === pair?.end.place
      ? Number.NaN
      : secondsIn(where, names[place]!, values[place]!);
  return Number.isNaN(duration) && part?.to !== undefined ? part.to - part.from : duration;
}

function audioOf(folder: string, audio: string, part: Part | undefined): string {
  const whole = resolveReference(folder, audio);
  return inOnePiece(part ? partReference(whole, part) : whole);
}

/**
 * The same text. V8 joins texts as chains of their pieces, which hold the text of the file that they were cut from, until a
 * letter is asked for: of a path 280 bytes instead of 60.
 */
const inOnePiece = (text: string): string => (text.charCodeAt(text.length - 1) >= 0 ? text : '');

/** The part of the recording that a row names; undefined: the whole, also where both columns are empty or 0. */
function partIn(where: string, { part }: Columns, values: readonly string[]): Part | undefined {
  if (!part) return undefined;
  const [from, end] = [part.start, part.end].map(
    ({ name, place }) => secondsIn(where, name, values[place]!) || 0,
  ) as [number, number];
  const found = partOf(from, end, isLength(part.end.name));
  if (found !== 'reversed') return found;
  throw new UserError(
    `${where}: found a part from ${from} to ${end} s ("${part.start.name}", "${part.end.name}"); ` +
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
