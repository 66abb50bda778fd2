import { UserError } from '../errors.ts';
import { below, sfc32 } from '../random.ts';
import type { Statistics } from './corpus.ts';
import {
  type CountColumn,
  type SentenceStatistics,
  type SentenceTable,
  sumTable,
  tableOf,
} from './sentence-table.ts';

/** Corpus score of summed statistics, e.g. `(total) => bleuFromStatistics(total, options).score`. */
export type ScoreOf = (total: Statistics) => number;

export interface Interval {
  /** Score of the whole corpus. */
  score: number;
  /** Mean over the resamples. */
  mean: number;
  /** Bounds of the middle 95 % of the resamples. */
  low: number;
  high: number;
}

export interface PairedResult {
  baseline: Interval;
  system: Interval;
  /** System minus baseline on the whole corpus. */
  difference: number;
  /** Chance of a difference at least this large, either way, if the two were equally good. */
  pValue: number;
}

/** sacreBLEU's `--paired-bs` and `--paired-ar`. */
export const PAIRED_TESTS = ['bootstrap', 'randomization'] as const;
export type PairedTest = (typeof PAIRED_TESTS)[number];

/** Resamples or trials by default, as in sacreBLEU. */
export const DEFAULT_SAMPLES: Record<PairedTest, number> = { bootstrap: 1000, randomization: 10_000 };

export interface ResamplingOptions {
  /** Number of resamples or trials. @default {@link DEFAULT_SAMPLES} */
  samples?: number;
  /** @default 12345 */
  seed?: number;
  /**
   * Whether differences equal to the observed one also count as chance (Noreen, 1989). Without, as in sacreBLEU, two
   * outputs that differ in one sentence only differ "significantly": harmless for BLEU, not for counts of few errors.
   * @default false
   */
  ties?: boolean;
}

/** Both as tables. */
function pairedTables(
  baseline: SentenceStatistics,
  system: SentenceStatistics,
): [SentenceTable, SentenceTable] {
  const count = (of: SentenceStatistics): number => ('parts' in of ? of.sentences : of.length);
  if (count(baseline) !== count(system)) {
    throw new UserError(
      `A paired test needs the same sentences: the baseline has ${count(baseline)}, the system ${count(system)}.`,
    );
  }
  return [tableOf(baseline), tableOf(system)];
}

/**
 * Scores of resamples with replacement; equal seeds draw equal sentences, so that two systems are paired. Each column is
 * summed by itself, in the order of the draws: it stays in the processor's cache.
 */
function resampledScores(table: SentenceTable, scoreOf: ScoreOf, samples: number, seed: number) {
  const random = sfc32(seed);
  const draws = new Draws(table);
  const scores = new Float64Array(samples);
  for (let sample = 0; sample < samples; sample++) {
    const drawn = draws.next(random);
    scores[sample] = scoreOf(
      table.parts.flatMap(({ columns }, part) => columns.map((column) => sumOf(column, drawn[part]!))),
    );
  }
  return scores;
}

function sumOf(column: CountColumn, sentences: Uint32Array): number {
  let sum = 0;
  for (let i = 0; i < sentences.length; i++) sum += column[sentences[i]!]!;
  return sum;
}

/** Random sentences of a table, by part. */
class Draws {
  /** As drawn, and by part; where there is one part only, these are the same. */
  readonly #drawn: Uint32Array;
  readonly #byPart: Uint32Array;
  readonly #partOf: Uint16Array;
  readonly #firsts: number[] = [];

  constructor({ sentences, parts }: SentenceTable) {
    this.#drawn = new Uint32Array(sentences);
    this.#byPart = parts.length === 1 ? this.#drawn : new Uint32Array(sentences);
    this.#partOf = new Uint16Array(parts.length === 1 ? 0 : sentences);
    let first = 0;
    for (const [part, { sentences: count }] of parts.entries()) {
      this.#firsts.push(first);
      this.#partOf.fill(part, first, first + count);
      first += count;
    }
  }

  /** As many sentences as there are, with replacement: places within each part, in the order in which they are drawn. */
  next(random: () => number): Uint32Array[] {
    const drawn = this.#drawn;
    for (let i = 0; i < drawn.length; i++) drawn[i] = below(drawn.length, random);
    if (this.#firsts.length === 1) return [drawn];
    const ends = this.#firsts.map(() => 0);
    for (const sentence of drawn) ends[this.#partOf[sentence]!]!++;
    let end = 0;
    const bounds = ends.map((count): [number, number] => [end, (end += count)]);
    const next = bounds.map(([start]) => start);
    for (const sentence of drawn) {
      const part = this.#partOf[sentence]!;
      this.#byPart[next[part]!++] = sentence - this.#firsts[part]!;
    }
    return bounds.map(([start, end]) => this.#byPart.subarray(start, end));
  }
}

/** sacreBLEU's percentiles: a fortieth of the resamples is cut off at each end. */
function interval(score: number, scores: Float64Array): Interval {
  const sorted = scores.toSorted();
  const cut = Math.floor(sorted.length / 40);
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return { score, mean, low: sorted[cut]!, high: sorted[sorted.length - cut - 1]! };
}

/** Sums in another order differ in the last bits, which must not decide whether two differences are equal. */
const ROUNDING = 1e-9;

/** Share of differences above the observed one; one is added to both so that chance is never called impossible. */
function pValue(differences: Float64Array, observed: number, ties: boolean): number {
  const bound = ties ? observed - ROUNDING : observed;
  const above = differences.reduce((count, difference) => count + (difference > bound ? 1 : 0), 0);
  return (above + 1) / (differences.length + 1);
}

/**
 * 95 % interval of a corpus score by bootstrap resampling of sentences (Koehn, 2004).
 * @param statistics a row per sentence, from `bleuStatistics`, `chrfStatistics` or `terStatistics`
 */
export function bootstrap(
  statistics: SentenceStatistics,
  scoreOf: ScoreOf,
  options: ResamplingOptions = {},
): Interval {
  const { samples = DEFAULT_SAMPLES.bootstrap, seed = 12345 } = options;
  const table = tableOf(statistics);
  return interval(scoreOf(sumTable(table)), resampledScores(table, scoreOf, samples, seed));
}

/**
 * Paired bootstrap test of two systems on the same sentences, as sacreBLEU's `--paired-bs`: the distribution of
 * absolute differences, centred on its mean, stands for chance.
 * @throws UserError when the systems have different numbers of sentences
 */
export function pairedBootstrap(
  baseline: SentenceStatistics,
  system: SentenceStatistics,
  scoreOf: ScoreOf,
  options: ResamplingOptions = {},
): PairedResult {
  const { samples = DEFAULT_SAMPLES.bootstrap, seed = 12345, ties = false } = options;
  const [first, second] = pairedTables(baseline, system);
  const baselineScores = resampledScores(first, scoreOf, samples, seed);
  const systemScores = resampledScores(second, scoreOf, samples, seed);
  const baselineScore = scoreOf(sumTable(first));
  const systemScore = scoreOf(sumTable(second));
  const differences = systemScores.map((score, i) => Math.abs(score - baselineScores[i]!));
  const mean = differences.reduce((sum, value) => sum + value, 0) / samples;
  return {
    baseline: interval(baselineScore, baselineScores),
    system: interval(systemScore, systemScores),
    difference: systemScore - baselineScore,
    pValue: pValue(
      differences.map((difference) => difference - mean),
      Math.abs(systemScore - baselineScore),
      ties,
    ),
  };
}

/**
 * Paired approximate randomization (Riezler and Maxwell, 2005), as sacreBLEU's `--paired-ar`: how often swapping the
 * systems' outputs at random, sentence by sentence, gives a larger difference than the observed one.
 * @returns the p-value and the difference, system minus baseline
 * @throws UserError when the systems have different numbers of sentences
 */
export function approximateRandomization(
  baseline: SentenceStatistics,
  system: SentenceStatistics,
  scoreOf: ScoreOf,
  options: ResamplingOptions = {},
): { difference: number; pValue: number } {
  const { samples = DEFAULT_SAMPLES.randomization, seed = 12345, ties = false } = options;
  const [before, after] = pairedTables(baseline, system);
  const [baselineTotal, systemTotal] = [sumTable(before), sumTable(after)];
  const random = sfc32(seed);
  const swapped = new Uint32Array(before.sentences);
  const differences = new Float64Array(samples);
  for (let trial = 0; trial < samples; trial++) {
    // A swap adds this to the first sum and subtracts it from the second.
    const changes = before.parts.flatMap(({ sentences, columns }, part) => {
      let count = 0;
      for (let sentence = 0; sentence < sentences; sentence++) {
        swapped[count] = sentence;
        count += random() >>> 31;
      }
      const some = swapped.subarray(0, count);
      return columns.map((column, i) => changeOf(column, after.parts[part]!.columns[i]!, some));
    });
    const first = baselineTotal.map((count, column) => count + changes[column]!);
    const second = systemTotal.map((count, column) => count - changes[column]!);
    differences[trial] = Math.abs(scoreOf(first) - scoreOf(second));
  }
  const difference = scoreOf(systemTotal) - scoreOf(baselineTotal);
  return { difference, pValue: pValue(differences, Math.abs(difference), ties) };
}

function changeOf(before: CountColumn, after: CountColumn, sentences: Uint32Array): number {
  let change = 0;
  for (let i = 0; i < sentences.length; i++) change += after[sentences[i]!]! - before[sentences[i]!]!;
  return change;
}
