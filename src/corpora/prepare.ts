/** Writes the manifest of a corpus: reads it, keeps what is wanted, counts what is left out and why. */
import type { CorpusClip } from '../data/manifest-write.ts';
import { writeManifest } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { namedLanguage } from '../language/profile.ts';
import { formatDuration, formatNumber } from '../report/format.ts';
import type { WorkOptions } from '../report/progress.ts';
import { parseColumns } from './column-map.ts';
import { type Corpus, type CorpusOptions, isAmong, isThere } from './corpus.ts';
import { expandPattern } from './patterns.ts';

export interface PrepareOptions extends CorpusOptions {
  /** Clips of each language and set. */
  readonly limit?: number | undefined;
  /** Clips whose length is known and below are left out. */
  readonly minSeconds?: number | undefined;
  /** Clips whose length is known and above are left out. */
  readonly maxSeconds?: number | undefined;
}

export interface Prepared {
  /** Clips by language and set (`en/train`). */
  readonly clips: ReadonlyMap<string, number>;
  /** Seconds of the clips whose length is known. */
  readonly seconds: number;
  /** Rows that cannot be used, by reason. */
  readonly skipped: ReadonlyMap<string, number>;
  /** Clips that the options leave out, by option. */
  readonly leftOut: ReadonlyMap<string, number>;
}

/** What a manifest holds, and what is not in it, as a line. */
export function describePrepared({ clips, seconds, skipped, leftOut }: Prepared): string {
  const listed = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([name, count]) => `${formatNumber(count)} ${name}`).join(', ');
  const long = seconds > 0 ? ` (${formatDuration(seconds)} of speech)` : '';
  const parts = [
    `${listed(clips)}${long}`,
    leftOut.size > 0 && `left out ${listed(leftOut)}`,
    skipped.size > 0 && `skipped ${listed(skipped)}`,
  ];
  return parts.filter(Boolean).join('; ');
}

/** Skipped rows of a reason that are shown. */
const SHOWN = 5;

/**
 * Reads a corpus and writes its manifest, completely or not at all.
 * @param onSkip gets the first rows of each reason that cannot be used
 * @throws UserError where no row can be used
 */
export async function prepareCorpus(
  corpus: Corpus,
  sources: readonly string[],
  output: string,
  options: PrepareOptions = {},
  { onProgress, onSkip, signal }: WorkOptions = {},
): Promise<Prepared> {
  const counted = {
    clips: new Map<string, number>(),
    skipped: new Map<string, number>(),
    leftOut: new Map<string, number>(),
  };
  let seconds = 0;
  const count = (counts: Map<string, number>, name: string): number => {
    const next = (counts.get(name) ?? 0) + 1;
    counts.set(name, next);
    return next;
  };
  const {
    from,
    to,
    sets,
    limit = Number.POSITIVE_INFINITY,
    minSeconds = 0,
    maxSeconds = Number.POSITIVE_INFINITY,
  } = options;
  parseColumns(options.columns);
  for (const name of from ?? []) namedLanguage(name, '--from: ');
  for (const name of to ?? []) namedLanguage(name, '--to: ');
  const groupOf = (language: string, set: string): string =>
    [language || 'no language', set].filter(Boolean).join('/');
  const isFull = (language: string, set: string): boolean =>
    (counted.clips.get(groupOf(language, set)) ?? 0) >= limit;
  let rows = 0;
  const seen = (): void => {
    if (++rows % 1000 !== 0) return;
    signal?.throwIfAborted();
    onProgress?.({ stage: 'reading', done: rows, total: 0 });
  };
  const skip = (where: string, reason: string, detail?: string): void => {
    seen();
    const before = count(counted.skipped, reason);
    if (before <= SHOWN) onSkip?.(`${where}: ${reason}${detail === undefined ? '' : `: ${detail}`}`);
  };

  const wanted = (clip: CorpusClip): CorpusClip | undefined => {
    const { language, set, duration = Number.NaN, translations = {} } = clip;
    const option = !isAmong(language, from)
      ? '--from'
      : sets !== undefined && set !== '' && !sets.includes(set)
        ? '--sets'
        : duration < minSeconds
          ? '--min-seconds'
          : duration > maxSeconds
            ? '--max-seconds'
            : isFull(language, set)
              ? '--limit'
              : undefined;
    if (option !== undefined) {
      count(counted.leftOut, `by ${option}`);
      return undefined;
    }
    if (to === undefined) return clip;
    const kept = Object.entries(translations).filter(
      ([code, text]) => text.trim() !== '' && isAmong(code, to),
    );
    if (kept.length === 0 && !to.some((name) => isAmong(language, [name]))) {
      count(counted.leftOut, 'without --to');
      return undefined;
    }
    return { ...clip, translations: Object.fromEntries(kept) };
  };

  const files: string[] = [];
  for (const source of sources) {
    const named = await expandPattern(source);
    for (const file of named) {
      // Of a pattern some may be missing; what is named alone must be there.
      if (named.length === 1 || isThere(file)) files.push(file);
      else skip(file, 'no such file');
    }
  }

  const clips = async function* (): AsyncGenerator<CorpusClip> {
    for await (const clip of corpus.read(files, { ...options, skip, seen, isFull })) {
      seen();
      const kept = wanted(clip);
      if (!kept) continue;
      count(counted.clips, groupOf(kept.language, kept.set));
      if (kept.duration) seconds += kept.duration;
      yield kept;
    }
    if (counted.clips.size > 0) return;
    const why = [...counted.skipped, ...counted.leftOut]
      .map(([reason, number]) => `${number} ${reason}`)
      .join(', ');
    throw new UserError(`${sources.join(', ')}: no row can be used${why && `: ${why}`}`);
  };
  await writeManifest(output, clips());
  return { ...counted, seconds };
}
