import { splitWords } from '../language/whitespace.ts';
import {
  type CorpusMetric,
  corpusScore,
  countNgrams,
  referencesBySentence,
  SACREBLEU_VERSION,
  type Statistics,
  sentenceScore,
} from './corpus.ts';

export interface ChrfOptions {
  /** Longest character n-gram. @default 6 */
  charOrder?: number;
  /** Longest word n-gram: 0 is chrF (Popović 2015), 2 is chrF++ (Popović 2017). @default 0 */
  wordOrder?: number;
  /** Recall weighs beta² times as much as precision. @default 2 */
  beta?: number;
  /** @default false */
  lowercase?: boolean;
  /** Count white space as characters. @default false */
  whitespace?: boolean;
  /** Smooth empty orders by 1e-16 as chrF++.py does, instead of skipping them. @default false */
  epsilonSmoothing?: boolean;
}

export interface ChrfScore {
  /** 0 to 100. */
  score: number;
}

const ASCII_PUNCTUATION = new Set('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~');

/** sacreBLEU's signature, e.g. `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0`. */
export function chrfSignature(referenceCount: number, options: ChrfOptions = {}): string {
  const { charOrder = 6, wordOrder = 0, lowercase, whitespace, epsilonSmoothing } = options;
  return (
    `nrefs:${referenceCount}|case:${lowercase ? 'lc' : 'mixed'}|eff:${epsilonSmoothing ? 'no' : 'yes'}` +
    `|nc:${charOrder}|nw:${wordOrder}|space:${whitespace ? 'yes' : 'no'}|version:${SACREBLEU_VERSION}`
  );
}

/** Splits one punctuation mark off each word, the last one if it can: "(hi)" gives "(hi" and ")". */
function separatePunctuation(line: string): string[] {
  return splitWords(line).flatMap((word) => {
    const characters = Array.from(word);
    if (characters.length === 1) return [word];
    const last = characters[characters.length - 1]!;
    if (ASCII_PUNCTUATION.has(last)) return [word.slice(0, -1), last];
    if (ASCII_PUNCTUATION.has(characters[0]!)) return [characters[0]!, word.slice(1)];
    return [word];
  });
}

/** N-gram counts of a line: characters of order 1 to charOrder, then words of order 1 to wordOrder. */
function countAllNgrams(line: string, options: ChrfOptions): Map<string, number>[] {
  const { charOrder = 6, wordOrder = 0, lowercase = false, whitespace = false } = options;
  const text = lowercase ? line.toLowerCase() : line;
  const characters = Array.from(whitespace ? text : splitWords(text).join(''));
  const counts: Map<string, number>[] = [];
  for (let n = 1; n <= charOrder; n++) counts.push(countNgrams(characters, n, ''));
  const words = wordOrder > 0 ? separatePunctuation(text) : [];
  for (let n = 1; n <= wordOrder; n++) counts.push(countNgrams(words, n, ' '));
  return counts;
}

/** Per order: [n-grams of the hypothesis, of the reference, matches] */
function matchStatistics(hypothesis: Map<string, number>[], reference: Map<string, number>[]): number[] {
  return hypothesis.flatMap((counts, order) => {
    const allowed = reference[order]!;
    let hypothesisTotal = 0;
    let matches = 0;
    for (const [ngram, count] of counts) {
      hypothesisTotal += count;
      matches += Math.min(count, allowed.get(ngram) ?? 0);
    }
    let referenceTotal = 0;
    for (const count of allowed.values()) referenceTotal += count;
    return [allowed.size > 0 ? hypothesisTotal : 0, referenceTotal, matches];
  });
}

/** chrF of summed statistics: F_beta of precision and recall averaged over the orders that occur. */
export function chrfFromStatistics(total: Statistics, options: ChrfOptions = {}): ChrfScore {
  const { beta = 2, epsilonSmoothing = false } = options;
  const epsilon = 1e-16;
  const factor = beta ** 2;
  const orders = total.length / 3;
  let smoothed = 0;
  let occurring = 0;
  let precisionSum = 0;
  let recallSum = 0;
  for (let i = 0; i < orders; i++) {
    const [inHypothesis, inReference, matches] = [total[3 * i]!, total[3 * i + 1]!, total[3 * i + 2]!];
    const precision = inHypothesis > 0 ? matches / inHypothesis : epsilon;
    const recall = inReference > 0 ? matches / inReference : epsilon;
    const denominator = factor * precision + recall;
    smoothed += denominator > 0 ? ((1 + factor) * precision * recall) / denominator : epsilon;
    if (inHypothesis > 0 && inReference > 0) {
      precisionSum += precision;
      recallSum += recall;
      occurring++;
    }
  }
  if (epsilonSmoothing) return { score: (100 * smoothed) / orders };
  if (occurring === 0 || precisionSum + recallSum === 0) return { score: 0 };
  const precision = precisionSum / occurring;
  const recall = recallSum / occurring;
  // The order of operations is sacreBLEU's: the last bit decides which of two near-equal references is taken.
  return { score: 100 * (((1 + factor) * precision * recall) / (factor * precision + recall)) };
}

/**
 * Sufficient statistics of chrF, a row per sentence, each against the reference that suits it best; see
 * {@link chrfFromStatistics}.
 * @returns `[sentences][3 · (charOrder + wordOrder)]`
 * @throws UserError when the streams differ in length
 */
export function chrfStatistics(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: ChrfOptions = {},
): number[][] {
  const bySentence = referencesBySentence(hypotheses, references);
  return hypotheses.map((line, sentence) => {
    const counts = countAllNgrams(line, options);
    let best: number[] = [];
    let bestScore = -1;
    for (const reference of bySentence[sentence]!) {
      const statistics = matchStatistics(counts, countAllNgrams(reference, options));
      const { score } = chrfFromStatistics(statistics, options);
      if (score > bestScore) [best, bestScore] = [statistics, score];
    }
    return best;
  });
}

/** chrF as a {@link CorpusMetric}. */
export const chrf = (options: ChrfOptions = {}): CorpusMetric<ChrfScore> => ({
  statistics: (hypotheses, references) => chrfStatistics(hypotheses, references, options),
  score: (total) => chrfFromStatistics(total, options),
  signature: (referenceCount) => chrfSignature(referenceCount, options),
});

/**
 * Corpus chrF, equal to sacreBLEU's `corpus_chrf`; `{ wordOrder: 2 }` is chrF++.
 * @param references reference streams, each with one line per hypothesis
 * @throws UserError when there is nothing to score or the streams differ in length
 */
export const corpusChrf = (
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: ChrfOptions = {},
) => corpusScore(chrf(options), hypotheses, references);

/** chrF of one sentence against its references. */
export const sentenceChrf = (hypothesis: string, references: readonly string[], options: ChrfOptions = {}) =>
  sentenceScore(chrf(options), hypothesis, references);
