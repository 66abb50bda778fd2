/** The score of one output with its bootstrap interval, paired test and signature. */
import type { CorpusMetric } from './corpus.ts';
import { equalTables, type SentenceStatistics, sumTable, tableOf } from './sentence-table.ts';
import {
  approximateRandomization,
  bootstrap,
  type PairedTest,
  pairedBootstrap,
  type ResamplingOptions,
} from './significance.ts';

export interface Measured {
  score: number;
  signature: string;
  /** Mean and bounds of the middle 95 % of bootstrap resamples of the sentences. */
  interval: { mean: number; low: number; high: number };
  /** Against the baseline: score minus its score, and the p-value of the paired test (1 for equal counts). */
  comparison?: { difference: number; pValue: number };
}

export interface MeasureOptions extends ResamplingOptions {
  /** @default 'bootstrap' */
  test?: PairedTest;
}

/**
 * Scores an output and tests it against a baseline.
 * @param statistics of the output, from the metric
 * @param baseline statistics of the output to compare with, sentence by sentence
 * @returns the metric's own numbers too, such as the counts of an error rate
 */
export function measure<Score extends { score: number }>(
  metric: CorpusMetric<Score>,
  statistics: SentenceStatistics,
  baseline: SentenceStatistics | undefined,
  referenceCount: number,
  { test = 'bootstrap', samples, seed, ties }: MeasureOptions = {},
): Score & Measured {
  const scoreOf = (total: readonly number[]) => metric.score(total).score;
  // With approximate randomization `samples` are its trials; the interval is a bootstrap's all the same.
  const resamples = test === 'bootstrap' ? samples : undefined;
  const [own, theirs] = [tableOf(statistics), baseline && tableOf(baseline)];
  const { mean, low, high } = bootstrap(own, scoreOf, { samples: resamples, seed });
  const paired = test === 'bootstrap' ? pairedBootstrap : approximateRandomization;
  const result = theirs && paired(theirs, own, scoreOf, { samples, seed, ties });
  // sacreBLEU calls even these different, as no resample differs more than they do.
  const equal = theirs && equalTables(theirs, own);
  return {
    ...metric.score(sumTable(own)),
    signature: metric.signature(referenceCount),
    interval: { mean, low, high },
    ...(result && { comparison: { difference: result.difference, pValue: equal ? 1 : result.pValue } }),
  };
}
