/**
 * Retrieval where the similarities of all clips would fill the memory: some of the sources at a time against
 * all targets. Only the ranks of the right answers are stored, also on disk, so that an interrupted run resumes with the
 * next part.
 */
import { ResumableLines } from '../files/resumable-lines.ts';
import { answerRanks } from './recall.ts';

/** Pairs of clips whose similarities are held at a time (128 MiB); with more, a study works part by part. */
export const MAX_HELD_PAIRS = 2 ** 25;

/** The ranks of one part of the sources. */
interface Part {
  readonly part: number;
  readonly ranks: readonly number[];
}

/** Stored ranks of one comparison: a line of JSON for each part. Incomplete lines are ignored. */
export class StoredRanks {
  private constructor(private readonly lines: ResumableLines<Part>) {}

  static async open(path: string): Promise<StoredRanks> {
    return new StoredRanks(
      await ResumableLines.open<Part>(path, {
        resume: true,
        keyOf: ({ part }) => String(part),
        keep: ({ part, ranks }) =>
          Number.isInteger(part) && Array.isArray(ranks) && ranks.every(Number.isFinite),
      }),
    );
  }

  get(part: number): readonly number[] | undefined {
    return this.lines.get(String(part))?.ranks;
  }

  add(part: number, ranks: readonly number[]): Promise<void> {
    return this.lines.add({ part, ranks });
  }
}

export interface PartsOptions {
  /** Similarities held at a time. @default MAX_HELD_PAIRS */
  readonly heldPairs?: number;
  readonly kept?: StoredRanks;
  /** Called with the number of sources whose rank is known, a fraction while a part is compared. */
  readonly onProgress?: (sources: number) => void;
  /** Called before the comparison with the number of sources ranked by an earlier run. */
  readonly onKnown?: (sources: number) => void;
}

/**
 * The rank of each source's answer, from 1, as `answerRanks` has it.
 * @param answers of each source, which target is the right one
 * @param compare similarities [sources, targets] of some of the sources with all targets; `onProgress` with the share done
 */
export async function ranksInParts<Clip>(
  sources: readonly Clip[],
  targets: readonly Clip[],
  answers: readonly number[],
  compare: (sources: readonly Clip[], onProgress: (share: number) => void) => Promise<Float32Array>,
  { heldPairs = MAX_HELD_PAIRS, kept, onProgress, onKnown }: PartsOptions,
): Promise<number[]> {
  const perPart = Math.max(1, Math.floor(heldPairs / targets.length));
  const parts = Array.from({ length: Math.ceil(sources.length / perPart) }, (_, part) => {
    const own = sources.slice(part * perPart, (part + 1) * perPart);
    const known = kept?.get(part);
    return { own, known: known?.length === own.length ? known : undefined };
  });
  onKnown?.(parts.reduce((sum, { known }) => sum + (known?.length ?? 0), 0));
  const ranks: number[] = [];
  for (const [part, { own, known }] of parts.entries()) {
    if (known) for (const rank of known) ranks.push(rank);
    else {
      const before = ranks.length;
      const values = await compare(own, (share) => onProgress?.(before + share * own.length));
      const right = answers.slice(before, before + own.length);
      const found = answerRanks(values, own.length, targets.length, right);
      for (const rank of found) ranks.push(rank);
      await kept?.add(part, found);
    }
    onProgress?.(ranks.length);
  }
  return ranks;
}
