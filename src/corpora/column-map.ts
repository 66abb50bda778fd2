/** Which columns of a table, or keys of a JSON object, hold what a manifest's columns hold. */
import type { Part } from '../audio/audio-reference.ts';
import {
  COLUMN_NAMES,
  type ColumnField,
  columnOf,
  isLength,
  partColumns,
  partOf,
  TRANSLATION,
} from '../data/column-names.ts';
import type { CorpusClip } from '../data/manifest-write.ts';
import { excerpt, UserError } from '../errors.ts';
import { isLanguage, languageProfile } from '../language/profile.ts';
import { type CorpusOptions, onlyLanguage, setOf, spokenOf, writtenOf } from './corpus.ts';
import { isObject, textOf, valueAt } from './text.ts';

/** Names of a recording or utterance rather than of a sentence: a key where there is no better one. */
const IDS = ['id', 'utt_id', 'utterance_id'];
type Field = ColumnField | 'start_s' | 'end_s';
/** A sentence in one other language, whose code the user gives (`--to`). */
const ONE_TRANSLATION = 'translation target_text tgt_text'.split(' ');

/** Where a field comes from: a column, whose name may lead into structs (`translation.de`), or the same text for all rows. */
type From = { readonly path: string } | { readonly constant: string };

/** What a user gives as `--columns`: `audio=file,text_de=translation.de,lang=:en`. */
export type ColumnMap = ReadonlyMap<string, From>;

/** @throws UserError where a part is not of the form, or names nothing that a manifest has */
export function parseColumns(parts: readonly string[] = []): ColumnMap {
  const map = new Map<string, From>();
  for (const part of parts) {
    const [, field, constant, source] = /^\s*([^=\s]+)\s*=\s*(:?)(.*?)\s*$/s.exec(part) ?? [];
    if (field === undefined || source === undefined || source === '') {
      throw new UserError(
        `--columns: found ${excerpt(part)}; expected a column of the manifest and one of the table, such as text=sentence, or lang=:en for all rows`,
      );
    }
    if (/^text_/.test(field) && !(TRANSLATION.test(field) && isLanguage(TRANSLATION.exec(field)![1]!))) {
      throw new UserError(`--columns: found "${field}"; expected a language behind text_, such as text_de`);
    }
    if (map.has(field)) throw new UserError(`--columns: found "${field}" twice; expected it once`);
    map.set(field, constant ? { constant: source } : { path: source });
  }
  return map;
}

export interface ColumnsOfTable {
  readonly names: readonly string[];
  /** Columns that hold recordings themselves. */
  readonly audio?: readonly string[];
  /** Names of classes, where cells are their numbers. */
  readonly classes?: ReadonlyMap<string, readonly string[]>;
}

/** How the rows of a table become clips. */
export interface RowReader {
  /** The top-level columns that are read. */
  readonly columns: readonly string[];
  /** The column that holds the recordings themselves; undefined: their paths are read. */
  readonly recordings: string | undefined;
  /** What a row says; a string is the reason why it cannot be used. */
  readonly read: (values: Readonly<Record<string, unknown>>) => RowFields | string;
}

export interface RowFields extends Omit<CorpusClip, 'audio'> {
  /** Path; '' where the recording is in the table, or is named by other means. */
  readonly audio: string;
  readonly part: Part | undefined;
}

/**
 * Finds the columns: those of the user's map, and for all other fields those whose names say what they hold.
 * @param where the table, for messages
 * @param needsAudio whether a row must name its recording
 * @throws UserError where a mapped column is missing, or nothing says where the recordings are or what is spoken
 */
export function rowReader(
  where: string,
  { names, audio: recordings = [], classes = new Map() }: ColumnsOfTable,
  map: ColumnMap,
  options: CorpusOptions,
  needsAudio = true,
): RowReader {
  for (const [field, from] of map) {
    if (
      'constant' in from ||
      names.some(
        (name) => name === from.path || from.path.startsWith(`${name}.`) || name.startsWith(`${from.path}.`),
      )
    )
      continue;
    const has = names.slice(0, 30).join(', ');
    throw new UserError(`${where}: found no column "${from.path}" for "${field}"; expected one of ${has}`);
  }
  const from = (field: Field): From | undefined => {
    if (map.has(field)) return map.get(field);
    if (field === 'start_s' || field === 'end_s') return undefined;
    const found =
      columnOf(field, names) ?? (field === 'key' ? IDS.find((name) => names.includes(name)) : undefined);
    return found === undefined ? undefined : { path: found };
  };
  const audio = map.get('audio') ?? (recordings[0] === undefined ? from('audio') : { path: recordings[0] });
  const inTable = audio && 'path' in audio && recordings.includes(audio.path) ? audio.path : undefined;
  if (!audio && needsAudio) {
    throw new UserError(
      `${where}: found no column of recordings among ${names.slice(0, 30).join(', ') || 'none'}; expected ${COLUMN_NAMES.audio.join(', ')}, or --columns audio=…`,
    );
  }
  const pair = recordings.length > 0 ? undefined : partColumns(names);
  const start = map.get('start_s') ?? (pair && { path: pair[0] });
  const end = map.get('end_s') ?? (pair && { path: pair[1] });
  const endIsLength = end !== undefined && 'path' in end && isLength(end.path);
  const fields = {
    text: from('text'),
    lang: from('lang'),
    set: from('set'),
    key: from('key'),
    speaker: from('speaker'),
  };
  const seconds = from('duration_s');
  const language = fields.lang ? undefined : onlyLanguage(options, where);
  const texts = textColumns(names, map, options);
  const others = [...map].filter(
    ([field]) =>
      !(field in COLUMN_NAMES) && !TRANSLATION.test(field) && field !== 'start_s' && field !== 'end_s',
  );
  const used = [
    audio,
    start,
    end,
    seconds,
    ...Object.values(fields),
    ...texts.map((text) => text.from),
    ...others.map(([, one]) => one),
  ];
  const columns = new Set<string>();
  for (const one of used) {
    if (!one || 'constant' in one || (one === audio && inTable !== undefined)) continue;
    columns.add(names.includes(one.path) ? one.path : one.path.split('.')[0]!);
  }
  const cellOf = (values: Readonly<Record<string, unknown>>, one: From | undefined): string | undefined => {
    if (!one) return '';
    if ('constant' in one) return one.constant;
    const value = valueAt(values, one.path);
    const named = classes.get(one.path);
    return named?.[Number(value)] ?? textOf(value);
  };
  return {
    columns: [...columns].filter((name) => name !== inTable),
    recordings: inTable,
    read(values) {
      const path = inTable !== undefined ? '' : pathOf(values, audio);
      if (path.trim() === '' && inTable === undefined && needsAudio) return 'no recording';
      const [text, lang, set, key, speaker] = [
        fields.text,
        fields.lang,
        fields.set,
        fields.key,
        fields.speaker,
      ].map((field) => cellOf(values, field));
      if (text === undefined) return 'a text that is a list or an object';
      const times = [start, end, seconds].map((field) => numberOf(cellOf(values, field)));
      if (times.some((time) => time !== undefined && !(time >= 0 && time < Number.POSITIVE_INFINITY)))
        return 'times that are none';
      const [first, last, length] = times;
      const part = partOf(first ?? 0, last ?? 0, endIsLength);
      if (part === 'reversed') return 'an end before its beginning';
      const translations: Record<string, string> = {};
      for (const { code, from: column } of texts)
        addTexts(translations, code, column, values, cellOf(values, column));
      // What says how long a part is, says nothing where it is 0.
      const stated = endIsLength && length === last ? undefined : length;
      const duration = part?.to === undefined ? stated : part.to - part.from;
      return {
        audio: path,
        part,
        language: language ?? (lang && isLanguage(lang) ? spokenOf(lang) : (lang ?? '')),
        set: setOf(set ?? ''),
        key: key ?? '',
        text,
        translations,
        ...(duration !== undefined && { duration }),
        ...(speaker && { speaker }),
        ...(others.length > 0 && {
          other: Object.fromEntries(others.map(([name, one]) => [name, cellOf(values, one) ?? ''])),
        }),
      };
    },
  };
}

/** Columns of translations. A struct by language has no code of its own. */
function textColumns(
  names: readonly string[],
  map: ColumnMap,
  { to }: CorpusOptions,
): { code: string | undefined; from: From }[] {
  const found: { code: string | undefined; from: From }[] = [];
  for (const [field, from] of map) {
    const code = TRANSLATION.exec(field)?.[1];
    if (code !== undefined) found.push({ code: languageProfile(code).code, from });
  }
  for (const name of names) {
    const code = TRANSLATION.exec(name)?.[1];
    if (code !== undefined && isLanguage(code) && !map.has(name))
      found.push({ code: languageProfile(code).code, from: { path: name } });
  }
  if (found.length > 0) return found;
  const one = ONE_TRANSLATION.find((name) =>
    names.some((other) => other === name || other.startsWith(`${name}.`)),
  );
  if (one !== undefined)
    found.push({ code: to?.length === 1 ? writtenOf(to[0]!) : undefined, from: { path: one } });
  return found;
}

function addTexts(
  translations: Record<string, string>,
  code: string | undefined,
  from: From,
  values: Readonly<Record<string, unknown>>,
  text: string | undefined,
): void {
  if (text !== undefined) {
    if (code !== undefined && text.trim() !== '') translations[code] = text;
    return;
  }
  // `{de: …, zh: …}`: Translation of Hugging Face.
  const value = 'path' in from ? valueAt(values, from.path) : undefined;
  if (!isObject(value)) return;
  for (const [name, written] of Object.entries(value)) {
    const inLanguage = textOf(written);
    if (isLanguage(name) && inLanguage !== undefined && inLanguage.trim() !== '')
      translations[writtenOf(name)] = inLanguage;
  }
}

function pathOf(values: Readonly<Record<string, unknown>>, from: From | undefined): string {
  if (!from) return '';
  if ('constant' in from) return from.constant;
  const value = valueAt(values, from.path);
  // `{path, bytes}` in JSON.
  if (typeof value === 'object' && value !== null && 'path' in value) return textOf(value.path) ?? '';
  return textOf(value) ?? '';
}

/** undefined: there is none. */
const numberOf = (text: string | undefined): number | undefined =>
  text === undefined || text.trim() === '' ? undefined : Number(text);
