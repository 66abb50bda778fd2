import { UserError } from '../errors.ts';

/** The version of sacreBLEU whose scores and signatures these metrics equal. */
export const SACREBLEU_VERSION = '2.6.0';

/** Counts over a sentence or, summed, over a corpus. What each column means is the metric's own. */
export type Statistics = readonly number[];

/**
 * A corpus metric: counts per sentence, and a score of their sums. The tests in significance.ts sum over samples of the
 * sentences.
 */
export interface CorpusMetric<Score extends { score: number } = { score: number }> {
  /**
   * @param references reference streams, each with one line per hypothesis
   * @returns `[sentences][columns]`
   * @throws UserError when there is nothing to score or the streams differ in length
   */
  statistics(hypotheses: readonly string[], references: readonly (readonly string[])[]): number[][];
  score(total: Statistics): Score;
  /** Settings that reproduce the score, as sacreBLEU's signatures. */
  signature(referenceCount: number): string;
}

/** The score of a whole corpus; see {@link CorpusMetric.statistics} for the parameters. */
export function corpusScore<Score extends { score: number }>(
  metric: CorpusMetric<Score>,
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
): Score & { signature: string } {
  const total = sumStatistics(metric.statistics(hypotheses, references));
  return { ...metric.score(total), signature: metric.signature(references.length) };
}

/** The score of one sentence against its references. */
export function sentenceScore<Score extends { score: number }>(
  metric: CorpusMetric<Score>,
  hypothesis: string,
  references: readonly string[],
): Score & { signature: string } {
  return corpusScore(
    metric,
    [hypothesis],
    references.map((reference) => [reference]),
  );
}

/**
 * Checks that every reference stream has one line per hypothesis and turns streams into one list per sentence.
 * @param references reference streams: `references[k][i]` is the k-th reference of sentence i
 * @returns `[sentences][streams]`
 */
export function referencesBySentence(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
): string[][] {
  if (hypotheses.length === 0) throw new UserError('There are no hypotheses to score.');
  if (references.length === 0) throw new UserError('There are no references to score against.');
  references.forEach((stream, index) => {
    if (stream.length !== hypotheses.length) {
      throw new UserError(
        `Reference stream ${index + 1} has ${stream.length} sentences, but there are ${hypotheses.length} hypotheses.`,
      );
    }
  });
  return hypotheses.map((_, sentence) => references.map((stream) => stream[sentence]!));
}

/** Column sums of per-sentence statistics. */
export function sumStatistics(statistics: readonly Statistics[]): number[] {
  const total = new Array<number>(statistics[0]?.length ?? 0).fill(0);
  for (const sentence of statistics) for (let i = 0; i < total.length; i++) total[i]! += sentence[i]!;
  return total;
}

/**
 * Counts of the n-grams of one order, written with `joiner` between the items, which no item may hold. N-grams are cut
 * from the joined line, as making each from its items takes most of the time of a metric.
 */
export function countNgrams(items: readonly string[], order: number, joiner: '' | ' '): Map<string, number> {
  const counts = new Map<string, number>();
  const line = items.join(joiner);
  let [start, end] = [0, -joiner.length];
  for (let i = 0; i < items.length; i++) {
    end += joiner.length + items[i]!.length;
    if (i < order - 1) continue;
    const ngram = line.slice(start, end);
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
    start += items[i - order + 1]!.length + joiner.length;
  }
  return counts;
}

/** Numbers tokens in the order they are first met, so that comparing them is comparing integers. */
export function tokenNumbering(): (token: string) => number {
  const numbers = new Map<string, number>();
  return (token) => {
    const known = numbers.get(token);
    if (known !== undefined) return known;
    numbers.set(token, numbers.size);
    return numbers.size - 1;
  };
}
