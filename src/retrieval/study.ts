/** Speech-to-speech retrieval between languages by several metrics side by side. */

import type { Runtime } from '../backend/runtime.ts';
import { UserError } from '../errors.ts';
import { approximateRandomization, bootstrap } from '../metrics/significance.ts';
import type { ComparedClip } from './clip-blocks.ts';
import { csls } from './csls.ts';
import type { RetrievalMethod } from './methods.ts';
import { SIMILARITY_METRICS } from './metrics.ts';
import type { ParallelClips } from './parallel-clips.ts';
import { MAX_HELD_PAIRS, ranksInParts, type StoredRanks } from './parts.ts';
import { PreparedClips } from './prepared-clips.ts';
import { answerRanks, transposed } from './recall.ts';
import { isQuickExactly, READ_PER_SEARCH, SHORTLIST_STEPS, ShortlistedSearch } from './shortlist.ts';

/** Queries below which interval and p-value are not shown: the interval of a bootstrap is empty where all are right. */
export const MIN_QUERIES = 20;

/** A share with its 95 % bootstrap interval over the queries. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface MethodResult {
  readonly variant: RetrievalMethod;
  readonly r1: Estimate;
  readonly r5: Estimate;
  readonly r10: Estimate;
  readonly mrr: Estimate;
  /** Rank of each query's translation, from 1, in the order of `keys`. */
  readonly ranks: readonly number[];
  /** P-value of R@1 against the first method's: paired approximate randomisation over utterances, without multiple-test correction. */
  readonly pValue?: number;
}

export interface LanguagePair {
  readonly from: string;
  readonly to: string;
}

export interface PairResult extends LanguagePair {
  /** Sentence keys of the queries. */
  readonly keys: readonly string[];
  readonly candidates: number;
  /** R@1 of a blind guess. */
  readonly chance: number;
  readonly variants: readonly MethodResult[];
}

/** Similarities of all clips of a language with all of another. */
export interface SimilarityMatrix extends LanguagePair {
  readonly variant: RetrievalMethod;
  /** [clips of from, clips of to], row by row */
  readonly values: Float32Array;
}

export interface StudyOptions {
  readonly variants: readonly RetrievalMethod[];
  /** Targets of each clip that SeqSim compares frame by frame; undefined: all. */
  readonly shortlist?: number;
  /** Similarities in memory at a time. Larger pairs of languages are compared part by part. @default MAX_HELD_PAIRS */
  readonly heldPairs?: number;
  /** Ranks that earlier runs stored of a comparison part by part. Default: none are stored. */
  readonly kept?: (comparison: string) => Promise<StoredRanks>;
  /** Called with each similarity matrix; not for comparisons part by part. */
  readonly onMatrix?: (matrix: SimilarityMatrix) => void;
  readonly onProgress?: (pairs: number, what: string) => void;
  /** Called with the number of pairs of clips compared by an earlier run. */
  readonly onKnown?: (pairs: number) => void;
}

/**
 * Retrieval for ordered pairs of languages. Both directions of a pair come from one matrix, unless only a shortlist is
 * compared or the matrix is too large.
 */
export async function retrievalStudy(
  runtime: Runtime,
  languages: ParallelClips<ComparedClip>,
  pairs: readonly LanguagePair[],
  options: StudyOptions,
): Promise<PairResult[]> {
  const comparisons = new Comparisons(runtime, languages, options);
  const { variants, heldPairs = MAX_HELD_PAIRS } = options;
  const results: { pair: LanguagePair; variants: MethodResult[] }[] = pairs.map((pair) => ({
    pair,
    variants: [],
  }));
  for (const variant of variants) for (const pair of pairs) refuseCsls(variant, pair, languages, options);
  let done = 0;
  try {
    for (const variant of variants) {
      for (const { pair, variants: rows } of results) {
        const { from, to } = pair;
        const shared = languages.shared(from, to);
        const [n, m] = [languages.of(from).length, languages.of(to).length];
        const progress = (compared: number): void =>
          options.onProgress?.(done + compared, `${variant.label}, ${from}–${to}`);
        let ranks: number[];
        if (n * m > heldPairs) {
          ranks = await comparisons.ranks(pair, variant, (share) => progress(Math.round(share * n * m)));
        } else {
          const plain = await comparisons.matrix(pair, variant, progress);
          const values = variant.adjustments.has('csls') ? csls(plain, n, m) : plain;
          options.onMatrix?.({ from, to, variant, values });
          ranks = answerRanks(
            rowsOf(
              values,
              m,
              shared.map(({ row }) => row),
            ),
            shared.length,
            m,
            shared.map(({ column }) => column),
          );
        }
        done += n * m;
        const [first] = rows;
        rows.push({
          variant,
          ranks,
          ...estimates(ranks),
          ...(first && { pValue: difference(first.ranks, ranks) }),
        });
      }
    }
  } finally {
    await comparisons.unload();
  }
  return results.map(({ pair, variants }) => {
    const candidates = languages.of(pair.to).length;
    const keys = languages.shared(pair.from, pair.to).map(({ key }) => key);
    return { ...pair, keys, candidates, chance: 1 / candidates, variants };
  });
}

/** CSLS corrects each similarity by the others of its row and its column. */
function refuseCsls(
  { metric, adjustments }: RetrievalMethod,
  { from, to }: LanguagePair,
  languages: ParallelClips<ComparedClip>,
  { shortlist, heldPairs = MAX_HELD_PAIRS }: StudyOptions,
): void {
  if (!adjustments.has('csls')) return;
  if (shortlist !== undefined && metric === 'seqsim') {
    throw new UserError('CSLS needs all similarities; expected --exact, or no CSLS');
  }
  const [n, m] = [languages.of(from).length, languages.of(to).length];
  if (n * m > heldPairs) {
    throw new UserError(
      `CSLS needs all similarities at a time; found ${n} × ${m} clips (${from}–${to}), expected at most ${heldPairs} pairs, ` +
        'or no CSLS',
    );
  }
}

/** Similarities before CSLS; those that methods and directions share are computed once. */
class Comparisons {
  readonly #prepared: PreparedClips;
  readonly #matrices = new Map<string, Float32Array>();
  /** The last one, for the next sources that search among the same targets. */
  #search: ShortlistedSearch | undefined;

  constructor(
    readonly runtime: Runtime,
    readonly languages: ParallelClips<ComparedClip>,
    readonly options: StudyOptions,
  ) {
    this.#prepared = new PreparedClips(runtime, languages);
  }

  /** @returns [clips of from, clips of to] */
  async matrix(
    { from, to }: LanguagePair,
    variant: RetrievalMethod,
    onProgress: (pairs: number) => void,
  ): Promise<Float32Array> {
    const how = comparisonName(variant);
    const made = this.#matrices.get(`${how} ${from} ${to}`);
    if (made) return made;
    const other = this.#isShortlisted(variant) ? undefined : this.#matrices.get(`${how} ${to} ${from}`);
    const [n, m] = [this.languages.of(from).length, this.languages.of(to).length];
    const matrix = other
      ? transposed(other, m, n)
      : await this.#compare(
          await this.#prepared.clips(from, variant),
          await this.#prepared.clips(to, variant),
          variant,
          (share) => onProgress(Math.round(share * n * m)),
        );
    this.#matrices.set(`${how} ${from} ${to}`, matrix);
    return matrix;
  }

  /** Ranks of the clips whose sentence both languages have; only these are compared. */
  async ranks(
    { from, to }: LanguagePair,
    variant: RetrievalMethod,
    onProgress: (share: number) => void,
  ): Promise<number[]> {
    const { shortlist, heldPairs, kept, onKnown } = this.options;
    const shared = this.languages.shared(from, to);
    const sources = await this.#prepared.clips(from, variant);
    const targets = await this.#prepared.clips(to, variant);
    const how = [
      comparisonName(variant),
      from,
      to,
      ...(this.#isShortlisted(variant) ? [shortlist, SHORTLIST_STEPS] : []),
    ];
    return ranksInParts(
      shared.map(({ row }) => sources[row]!),
      targets,
      shared.map(({ column }) => column),
      (part, progress) => this.#compare(part, targets, variant, progress),
      {
        heldPairs,
        kept: await kept?.(how.join(' ')),
        onProgress: (done) => onProgress(done / shared.length),
        onKnown: (known) =>
          onKnown?.(Math.round((known / shared.length) * this.languages.of(from).length * targets.length)),
      },
    );
  }

  async #compare(
    sources: readonly ComparedClip[],
    targets: readonly ComparedClip[],
    variant: RetrievalMethod,
    onProgress: (share: number) => void,
  ): Promise<Float32Array> {
    const pairs = sources.length * targets.length;
    if (!this.#isShortlisted(variant) || pairs === 0) {
      return SIMILARITY_METRICS[variant.metric].matrix(this.runtime, sources, targets, (done) =>
        onProgress(done / pairs),
      );
    }
    let reading = 0;
    if (this.#search?.targets !== targets) {
      await this.unload();
      reading = targets.length / (targets.length + READ_PER_SEARCH * sources.length);
      const { shortlist } = this.options;
      this.#search = await ShortlistedSearch.among(this.runtime, targets, shortlist, (share) =>
        onProgress(reading * share),
      );
    }
    return this.#search.scores(sources, (share) => onProgress(reading + (1 - reading) * share));
  }

  async unload(): Promise<void> {
    await this.#search?.unload();
    this.#search = undefined;
  }

  #isShortlisted({ metric }: RetrievalMethod): boolean {
    return metric === 'seqsim' && this.options.shortlist !== undefined;
  }
}

/** The method without the adjustments of its similarities: metric and frame preparation. */
const comparisonName = ({ metric, adjustments }: RetrievalMethod): string =>
  [metric, ...[...adjustments].filter((name) => name !== 'csls')].join('+');

function rowsOf(matrix: Float32Array, columns: number, rows: readonly number[]): Float32Array {
  const result = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => result.set(matrix.subarray(row * columns, (row + 1) * columns), i * columns));
  return result;
}

/** Whether exact SeqSim of all pairs takes minutes at most. */
export function areQuickExactly(
  languages: ParallelClips<ComparedClip>,
  pairs: readonly LanguagePair[],
): boolean {
  const of = (language: string) => languages.of(language).map(({ encoded }) => encoded);
  return pairs.every(({ from, to }) => isQuickExactly(of(from), of(to)));
}

/** R@k and MRR of ranks, each with its interval. */
export function estimates(ranks: readonly number[]): Pick<MethodResult, 'r1' | 'r5' | 'r10' | 'mrr'> {
  const within = (k: number) => estimate(ranks.map((rank) => Number(rank <= k)));
  return { r1: within(1), r5: within(5), r10: within(10), mrr: estimate(ranks.map((rank) => 1 / rank)) };
}

const meanOf = ([sum, count]: readonly number[]): number => sum! / count!;

function estimate(values: readonly number[]): Estimate {
  const { score, low, high } = bootstrap(
    values.map((value) => [value, 1]),
    meanOf,
  );
  return { value: score, low, high };
}

function difference(first: readonly number[], second: readonly number[]): number {
  const hits = (ranks: readonly number[]) => ranks.map((rank) => [Number(rank === 1), 1]);
  return approximateRandomization(hits(first), hits(second), meanOf, { ties: true }).pValue;
}
