/** Recordings that stand twice: in a set, or on both sides of a split. */
import { basename } from 'node:path';
import { formatNumber } from '../report/format.ts';
import type { Clip } from './clip.ts';

/**
 * Notes for the user on recordings that stand several times among clips, a line each; a recording is known by its path.
 * - In the same set, with the same texts: it counts as often, and narrows the intervals of scores.
 * - In different sets: what is trained on is tested, too.
 * @param manifest its name in messages
 */
export function repeatedClips(manifest: string, clips: readonly Clip[]): string[] {
  const first = new Map<string, Clip>();
  /** Repetitions of a row, and recordings in several sets. */
  let rows = 0;
  let example: Clip | undefined;
  const across = new Map<string, [Clip, Clip]>();
  for (const clip of clips) {
    if (clip.audio === '') continue;
    const known = first.get(clip.audio);
    if (known === undefined) {
      first.set(clip.audio, clip);
    } else if (known.set !== clip.set) {
      if (!across.has(clip.audio)) across.set(clip.audio, [known, clip]);
    } else if (known.text === clip.text && sameTexts(known.translations, clip.translations)) {
      rows++;
      example ??= clip;
    }
  }
  const notes: string[] = [];
  if (example !== undefined) {
    notes.push(
      `${manifest}: ${plural(rows, 'row repeats', 'rows repeat')} a clip (${basename(example.audio)}): ` +
        'each counts, in scores too, and their intervals are narrower than they should be',
    );
  }
  const [split] = across.values();
  if (split !== undefined) {
    const [one, other] = split;
    notes.push(
      `${manifest}: ${plural(across.size, 'recording is', 'recordings are')} in more than one set ` +
        `(${basename(one.audio)} in "${one.set}" and "${other.set}"): scores of one are no proof for the other`,
    );
  }
  return notes;
}

function sameTexts(a: Clip['translations'], b: Clip['translations']): boolean {
  const codes = Object.keys(a);
  return codes.length === Object.keys(b).length && codes.every((code) => a[code] === b[code]);
}

export const plural = (count: number, one: string, more: string): string =>
  `${formatNumber(count)} ${count === 1 ? one : more}`;
