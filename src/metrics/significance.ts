import { UserError } from '../errors.ts';
import { below, sfc32 } from '../random.ts';
import { type Statistics, sumStatistics } from './corpus.ts';

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

/** As in sacreBLEU. */
export const DEFAULT_SAMPLES: Record<PairedTest, number> = { bootstrap: 1000, randomization: 10_000 };

export interface ResamplingOptions {
  /** Resamples or trials. @default {@link DEFAULT_SAMPLES} */
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

/** Statistics of all sentences behind one another: summing a resample is then one flat loop. */
function flatten(statistics: readonly Statistics[]): { rows: Float64Array; width: number } {
  const width = statistics[0]?.length ?? 0;
  if (width === 0) throw new UserError('There are no sentences to resample.');
  return { rows: Float64Array.from(statistics.flat()), width };
}

function checkPaired(baseline: readonly Statistics[], system: readonly Statistics[]): void {
  if (baseline.length !== system.length) {
    throw new UserError(
      `A paired test needs the same sentences: the baseline has ${baseline.length}, the system ${system.length}.`,
    );
  }
}

/** Scores of resamples with replacement; equal seeds draw equal sentences, so that two systems are paired. */
function resampledScores(statistics: readonly Statistics[], scoreOf: ScoreOf, samples: number, seed: number) {
  const { rows, width } = flatten(statistics);
  const random = sfc32(seed);
  const scores = new Float64Array(samples);
  const total = new Array<number>(width);
  for (let sample = 0; sample < samples; sample++) {
    total.fill(0);
    for (let i = 0; i < statistics.length; i++) {
      const row = below(statistics.length, random) * width;
      for (let column = 0; column < width; column++) total[column]! += rows[row + column]!;
    }
    scores[sample] = scoreOf(total);
  }
  return scores;
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
  statistics: readonly Statistics[],
  scoreOf: ScoreOf,
  options: ResamplingOptions = {},
): Interval {
  const { samples = DEFAULT_SAMPLES.bootstrap, seed = 12345 } = options;
  return interval(scoreOf(sumStatistics(statistics)), resampledScores(statistics, scoreOf, samples, seed));
}

/**
 * Paired bootstrap test of two systems on the same sentences, as sacreBLEU's `--paired-bs`: the distribution of
 * absolute differences, centred on its mean, stands for chance.
 * @throws UserError when the systems have different numbers of sentences
 */
export function pairedBootstrap(
  baseline: readonly Statistics[],
  system: readonly Statistics[],
  scoreOf: ScoreOf,
  options: ResamplingOptions = {},
): PairedResult {
  const { samples = DEFAULT_SAMPLES.bootstrap, seed = 12345, ties = false } = options;
  checkPaired(baseline, system);
  const baselineScores = resampledScores(baseline, scoreOf, samples, seed);
  const systemScores = resampledScores(system, scoreOf, samples, seed);
  const baselineScore = scoreOf(sumStatistics(baseline));
  const systemScore = scoreOf(sumStatistics(system));
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
  baseline: readonly Statistics[],
  system: readonly Statistics[],
  scoreOf: ScoreOf,
  options: ResamplingOptions = {},
): { difference: number; pValue: number } {
  const { samples = DEFAULT_SAMPLES.randomization, seed = 12345, ties = false } = options;
  checkPaired(baseline, system);
  const { rows, width } = flatten(baseline);
  // A swap adds this to the first sum and subtracts it from the second.
  const changes = flatten(system).rows.map((count, i) => count - rows[i]!);
  const [baselineTotal, systemTotal] = [sumStatistics(baseline), sumStatistics(system)];
  const random = sfc32(seed);
  const first = new Array<number>(width);
  const second = new Array<number>(width);
  const differences = new Float64Array(samples);
  for (let trial = 0; trial < samples; trial++) {
    first.fill(0);
    for (let row = 0; row < changes.length; row += width) {
      if (random() >>> 31 === 0) continue;
      for (let column = 0; column < width; column++) first[column]! += changes[row + column]!;
    }
    for (let column = 0; column < width; column++) {
      second[column] = systemTotal[column]! - first[column]!;
      first[column]! += baselineTotal[column]!;
    }
    differences[trial] = Math.abs(scoreOf(first) - scoreOf(second));
  }
  const difference = scoreOf(systemTotal) - scoreOf(baselineTotal);
  return { difference, pValue: pValue(differences, Math.abs(difference), ties) };
}
