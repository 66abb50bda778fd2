/** Labels of clips from any column of their manifest, and other columns that determine the label. */

import type { Clip } from '../../data/clip.ts';
import { UserError } from '../../errors.ts';

/** Columns that a clip has as fields, and their older names. */
const FIELDS: Readonly<Record<string, (clip: Clip) => string | undefined>> = {
  lang: ({ language }) => language,
  set: ({ set }) => set,
  key: ({ key }) => key,
  text: ({ text }) => text,
  source_text: ({ text }) => text,
  en: ({ translations }) => translations.en,
  zh: ({ translations }) => translations.zh,
};
const OLDER_NAMES = ['source_text', 'en', 'zh'];

export function columnOf(clip: Clip, column: string): string {
  const field = FIELDS[column]?.(clip);
  const translation = /^text_(.+)$/.exec(column)?.[1];
  return (field ?? clip.translations[translation ?? ''] ?? clip.other[column] ?? '').trim();
}

/** Columns that are not empty for every clip. */
export function columnsOf(clips: readonly Clip[]): string[] {
  const names = new Set([
    ...Object.keys(FIELDS).filter((name) => !OLDER_NAMES.includes(name)),
    ...clips.flatMap(({ translations }) => Object.keys(translations).map((code) => `text_${code}`)),
    ...clips.flatMap(({ other }) => Object.keys(other)),
  ]);
  return [...names].filter((name) => clips.some((clip) => columnOf(clip, name) !== ''));
}

/** Checks that a column exists. @throws UserError where no clip has anything in it */
export function checkColumn(manifest: string, clips: readonly Clip[], column: string): void {
  if (clips.every((clip) => columnOf(clip, column) === '')) {
    throw new UserError(
      `${manifest}: found no column "${column}" with anything in it; expected one of ${columnsOf(clips).join(', ')}`,
    );
  }
}

/**
 * Columns that determine the label ("all of `fr` is one voice"): a probe could learn them instead. Columns with nearly as
 * many values as clips are excluded.
 */
export function confounded(clips: readonly Clip[], label: string): string[] {
  return columnsOf(clips).filter((column) => {
    if (column === label) return false;
    const labels = new Map<string, Set<string>>();
    for (const clip of clips) {
      const value = columnOf(clip, column);
      labels.set(value, (labels.get(value) ?? new Set()).add(columnOf(clip, label)));
    }
    const fewValues = labels.size > 1 && labels.size <= clips.length / 3;
    return fewValues && [...labels.values()].every((of) => of.size === 1);
  });
}
