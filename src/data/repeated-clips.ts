/** Recordings that stand twice: in a set, or on both sides of a split. */
import { basename, relative } from 'node:path';
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

/**
 * A note on recordings that are tested and trained on, one line; undefined: there is none.
 * @param tested, others what the two are: `of the dev set`, `to train on`
 * @param pairs each tested file with one of the others that has the same content
 */
export function sameRecordings(
  tested: string,
  others: string,
  pairs: ReadonlyMap<string, string>,
): string | undefined {
  const [first] = pairs;
  if (first === undefined) return undefined;
  const names = [...new Set(first)].map(shortPath).join(' has the content of ');
  return (
    `${plural(pairs.size, 'recording', 'recordings')} ${tested} ${pairs.size === 1 ? 'is' : 'are'} also among those ` +
    `${others} (${names}): scores on such recordings are no proof`
  );
}

/** Relative to the working directory, if that is shorter. */
function shortPath(file: string): string {
  const path = relative('', file);
  return path.length < file.length ? path : file;
}

function sameTexts(a: Clip['translations'], b: Clip['translations']): boolean {
  const codes = Object.keys(a);
  return codes.length === Object.keys(b).length && codes.every((code) => a[code] === b[code]);
}

export const plural = (count: number, one: string, more: string): string =>
  `${formatNumber(count)} ${count === 1 ? one : more}`;
