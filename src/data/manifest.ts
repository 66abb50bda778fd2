/** Reads manifests: lists of recordings with transcripts and translations. */
import { dirname, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { readText } from '../files/read.ts';
import { languageProfile } from '../language/profile.ts';
import type { Clip } from './clip.ts';

/** Columns with a meaning of their own; `source_text`, `en` and `zh` are older names of `text`, `text_en` and `text_zh`. */
const COLUMNS = ['audio', 'lang', 'set', 'key', 'text', 'source_text', 'en', 'zh', 'duration_s'];
/** `text_de`, `text_pt-BR`: the sentence in another language. */
const TRANSLATION = /^text_([a-z]{2,3}(?:[-_][a-z]{4})?(?:[-_](?:[a-z]{2}|\d{3}))?)$/i;
/** Node's longest string is a little above this; a manifest of ten million clips is below. */
const MAX_BYTES = 512_000_000;

/**
 * Reads a manifest: tab-separated with a header line, or, when its name ends in `.jsonl`, a JSON object a line.
 * Columns may stand in any order and all but `audio` may be missing. Quotes and backslashes are text like any
 * other. Does not check that the recordings exist.
 *
 * @throws UserError naming file and line, what was found and what was expected.
 */
export async function readManifest(path: string): Promise<Clip[]> {
  const lines = (await readText(path, 'a manifest (.tsv or .jsonl)', MAX_BYTES)).split(/\r?\n/);
  const records = path.endsWith('.jsonl') ? readJsonLines(path, lines) : readTable(path, lines);
  if (records.length === 0) throw new UserError(`${path}: found no clips; expected at least one`);
  return records.map(({ values, where }) => toClip(path, values, where));
}

/** A line's values by column name; `where` is `file:line` for messages. */
interface ManifestRecord {
  readonly values: Map<string, string>;
  readonly where: string;
}

function readTable(path: string, lines: readonly string[]): ManifestRecord[] {
  const header = lines[0]!.split('\t').map((name) => name.trim());
  if (!header.includes('audio')) {
    throw new UserError(
      `${path}:1: found the header ${excerpt(lines[0]!)}; expected tab-separated column names with "audio" among them`,
    );
  }
  const repeated = header.find((name, i) => header.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new UserError(`${path}:1: found the column "${repeated}" twice; expected each name once`);
  }
  const records: ManifestRecord[] = [];
  for (let i = 1; i < lines.length; i++) {
    if (lines[i]!.trim() === '') continue;
    const where = `${path}:${i + 1}`;
    const cells = lines[i]!.split('\t');
    if (cells.length !== header.length) {
      throw new UserError(
        `${where}: found ${cells.length} columns; expected ${header.length} as in the header`,
      );
    }
    records.push({ where, values: new Map(header.map((name, column) => [name, cells[column]!])) });
  }
  return records;
}

function readJsonLines(path: string, lines: readonly string[]): ManifestRecord[] {
  const records: ManifestRecord[] = [];
  lines.forEach((line, i) => {
    if (line.trim() === '') return;
    const where = `${path}:${i + 1}`;
    let parsed: unknown;
    try {
      parsed = JSON.parse(line);
    } catch {
      throw new UserError(`${where}: found ${excerpt(line)}; expected a JSON object`);
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
      throw new UserError(`${where}: found ${excerpt(line)}; expected a JSON object`);
    }
    const values = new Map<string, string>();
    for (const [name, value] of Object.entries(parsed)) {
      if (value === null) continue;
      const isText = typeof value === 'string' || typeof value === 'number';
      if (!isText && (COLUMNS.includes(name) || TRANSLATION.test(name))) {
        throw new UserError(
          `${where}: found ${excerpt(JSON.stringify(value))} as "${name}"; expected a string or number`,
        );
      }
      values.set(name, isText ? String(value) : JSON.stringify(value));
    }
    records.push({ where, values });
  });
  return records;
}

function toClip(path: string, values: Map<string, string>, where: string): Clip {
  const audio = values.get('audio') ?? '';
  if (audio.trim() === '')
    throw new UserError(`${where}: found no "audio"; expected the path of a recording`);
  if (audio.includes('\0'))
    throw new UserError(`${where}: found a NUL in "audio"; expected the path of a recording`);
  const seconds = (values.get('duration_s') ?? '').trim();
  const duration = seconds === '' ? Number.NaN : Number(seconds);
  if (seconds !== '' && !(duration >= 0 && duration < Number.POSITIVE_INFINITY)) {
    throw new UserError(`${where}: found "duration_s" ${excerpt(seconds)}; expected seconds such as 2.35`);
  }
  const language = values.get('lang') ?? '';
  const translations = translationsOf(values);
  // Older manifests have English transcripts in `en` only.
  const text =
    values.get('source_text') || values.get('text') || translations[languageProfile(language).code];
  return {
    audio: resolve(dirname(path), audio),
    language,
    set: values.get('set') ?? '',
    key: values.get('key') ?? '',
    text: text ?? '',
    translations,
    duration,
    other: Object.fromEntries(
      [...values].filter(([name]) => !COLUMNS.includes(name) && !TRANSLATION.test(name)),
    ),
  };
}

function translationsOf(values: ReadonlyMap<string, string>): Record<string, string> {
  const older = ['en', 'zh'].map((code) => [code, values.get(code) ?? ''] as const);
  const named = [...values].flatMap(([name, text]) => {
    const code = TRANSLATION.exec(name)?.[1];
    return code === undefined ? [] : [[languageProfile(code).code, text] as const];
  });
  return Object.fromEntries([...older, ...named].filter(([, text]) => text !== ''));
}

/** An excerpt that fits one line of a message. */
function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
