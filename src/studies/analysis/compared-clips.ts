/** Selection of the clips of an analysis, and clips by name: `ca:algebra_by` is the clip of a language with that key. */
import type { Clip } from '../../data/clip.ts';
import { UserError } from '../../errors.ts';
import type { ParallelClip, ParallelClips } from '../../retrieval/parallel-clips.ts';

/**
 * Clips with a key; with `count` only those of `count` sentences that every language has, evenly over their keys.
 * @param kept clips ("ca:algebra_by") whose sentences stay in any case
 */
export function sharedSentences(
  manifest: string,
  clips: readonly Clip[],
  count: number | undefined,
  kept: readonly string[],
): Clip[] {
  const keyed = clips.filter(({ key }) => key !== '');
  if (count === undefined) return keyed;
  const languages = new Set(keyed.map(({ language }) => language));
  const speaking = new Map<string, Set<string>>();
  for (const { key, language } of keyed) speaking.set(key, (speaking.get(key) ?? new Set()).add(language));
  const shared = [...speaking]
    .filter(([, own]) => own.size === languages.size)
    .map(([key]) => key)
    .sort();
  if (shared.length < 2 || languages.size < 2) throw nothingShared(manifest);
  const step = Math.max(1, shared.length / count);
  const chosen = new Set(
    shared.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)).slice(0, count),
  );
  for (const name of kept) chosen.add(name.slice(name.indexOf(':') + 1));
  return keyed.filter(({ key }) => chosen.has(key));
}

export function nothingShared(manifest: string): UserError {
  return new UserError(
    `${manifest}: no two languages share two sentences; expected the same key on recordings of the same sentence`,
  );
}

/** The clip of this name. @throws UserError where it is not among those compared */
export function clipNamed(name: string, clips: ParallelClips): ParallelClip {
  const [language, ...key] = name.split(':');
  const found = clips.of(language!).find(({ clip }) => clip.key === key.join(':'));
  if (!found) {
    throw new UserError(
      `found no clip "${name}" among those compared; expected language:key, e.g. ${clips.names[0]}:${clips.of(clips.names[0]!)[0]!.clip.key}`,
    );
  }
  return found;
}
