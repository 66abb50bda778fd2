import { trimEnd } from '../language/whitespace.ts';
import {
  type CorpusMetric,
  corpusScore,
  countNgrams,
  referencesBySentence,
  SACREBLEU_VERSION,
  type Statistics,
  sentenceScore,
} from './corpus.ts';
import { type BleuTokenizer, tokenizeForBleu, tokenizerSignature } from './tokenizers.ts';

const MAX_ORDER = 4;
/** Stands for log 0, as in sacreBLEU: it makes the geometric mean vanish without an infinity. */
const LOG_OF_ZERO = -9999999999;

export const BLEU_SMOOTHINGS = ['exp', 'floor', 'add-k', 'none'] as const;
export type BleuSmoothing = (typeof BLEU_SMOOTHINGS)[number];
const DEFAULT_SMOOTHING_VALUE: Record<BleuSmoothing, number | undefined> = {
  exp: undefined,
  floor: 0.1,
  'add-k': 1,
  none: undefined,
};

export interface BleuOptions {
  /**
   * One with a model or dictionary must be loaded first, see `loadBleuTokenizer`.
   * @default '13a' (use 'zh' for Chinese: 13a leaves a Chinese sentence nearly whole)
   */
  tokenize?: BleuTokenizer;
  /** @default false */
  lowercase?: boolean;
  /** Chen and Cherry (2014): 'exp' is their method 3, as mteval-v13a. @default 'exp' */
  smooth?: BleuSmoothing;
  /** Value of 'floor' (default 0.1) and 'add-k' (default 1). */
  smoothValue?: number;
  /** Skip n-gram orders longer than the hypothesis. @default false for corpora, true for sentences */
  effectiveOrder?: boolean;
}

export interface BleuScore {
  /** 0 to 100. */
  score: number;
  /** Per order 1 to 4, 0 to 100, after smoothing. */
  precisions: number[];
  brevityPenalty: number;
  hypothesisLength: number;
  referenceLength: number;
}

/** sacreBLEU's signature, e.g. `nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0`. */
export function bleuSignature(referenceCount: number, options: BleuOptions = {}): string {
  const { tokenize = '13a', lowercase = false, smooth = 'exp', effectiveOrder = false } = options;
  const value = options.smoothValue ?? DEFAULT_SMOOTHING_VALUE[smooth];
  const smoothing =
    DEFAULT_SMOOTHING_VALUE[smooth] === undefined ? smooth : `${smooth}[${value!.toFixed(2)}]`;
  return (
    `nrefs:${referenceCount}|case:${lowercase ? 'lc' : 'mixed'}|eff:${effectiveOrder ? 'yes' : 'no'}` +
    `|tok:${tokenizerSignature(tokenize)}|smooth:${smoothing}|version:${SACREBLEU_VERSION}`
  );
}

/** [hypothesis length, closest reference length, matches of order 1 to 4, n-grams of order 1 to 4] */
function sentenceStatistics(hypothesis: string[], references: string[][]): number[] {
  const closest = references
    .map((reference) => reference.length)
    .reduce((best, length) => {
      const gain = Math.abs(hypothesis.length - best) - Math.abs(hypothesis.length - length);
      return gain > 0 || (gain === 0 && length < best) ? length : best;
    });
  const matches: number[] = [];
  const totals: number[] = [];
  for (let order = 1; order <= MAX_ORDER; order++) {
    const allowed = new Map<string, number>();
    for (const reference of references) {
      for (const [ngram, count] of countNgrams(reference, order, ' ')) {
        allowed.set(ngram, Math.max(allowed.get(ngram) ?? 0, count));
      }
    }
    let match = 0;
    for (const [ngram, count] of countNgrams(hypothesis, order, ' ')) {
      match += Math.min(count, allowed.get(ngram) ?? 0);
    }
    matches.push(match);
    totals.push(Math.max(0, hypothesis.length - order + 1));
  }
  return [hypothesis.length, closest, ...matches, ...totals];
}

/**
 * Sufficient statistics of BLEU, a row per sentence; rows may be summed over any subset and given to
 * {@link bleuFromStatistics}, as resampling tests do.
 * @throws UserError when the streams differ in length
 */
export function bleuStatistics(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: BleuOptions = {},
): number[][] {
  const { tokenize = '13a', lowercase = false } = options;
  const tokens = (line: string) => tokenizeForBleu(trimEnd(lowercase ? line.toLowerCase() : line), tokenize);
  const bySentence = referencesBySentence(hypotheses, references);
  return hypotheses.map((line, i) => sentenceStatistics(tokens(line), bySentence[i]!.map(tokens)));
}

/** BLEU (Papineni et al., 2002) of summed statistics, with sacreBLEU's order of operations. */
export function bleuFromStatistics(total: Statistics, options: BleuOptions = {}): BleuScore {
  const { smooth = 'exp', effectiveOrder = false } = options;
  const smoothValue = options.smoothValue ?? DEFAULT_SMOOTHING_VALUE[smooth] ?? 0;
  const [hypothesisLength, referenceLength] = [total[0]!, total[1]!];
  const precisions = new Array<number>(MAX_ORDER).fill(0);
  let brevityPenalty = 1;
  if (hypothesisLength < referenceLength) {
    brevityPenalty = hypothesisLength > 0 ? Math.exp(1 - referenceLength / hypothesisLength) : 0;
  }
  const result = { score: 0, precisions, brevityPenalty, hypothesisLength, referenceLength };
  if (total.slice(2, 2 + MAX_ORDER).every((match) => match === 0)) return result;

  let halving = 1;
  let orders = MAX_ORDER;
  for (let n = 0; n < MAX_ORDER; n++) {
    const added = smooth === 'add-k' && n > 0 ? smoothValue : 0;
    const match = total[2 + n]! + added;
    const count = total[2 + MAX_ORDER + n]! + added;
    if (count === 0) break;
    if (effectiveOrder) orders = n + 1;
    if (match > 0) precisions[n] = (100 * match) / count;
    else if (smooth === 'exp') precisions[n] = 100 / ((halving *= 2) * count);
    else if (smooth === 'floor') precisions[n] = (100 * smoothValue) / count;
  }
  const logs = precisions.slice(0, orders).map((p) => (p === 0 ? LOG_OF_ZERO : Math.log(p)));
  result.score = brevityPenalty * Math.exp(logs.reduce((sum, log) => sum + log, 0) / orders);
  return result;
}

/** BLEU as a {@link CorpusMetric}. */
export const bleu = (options: BleuOptions = {}): CorpusMetric<BleuScore> => ({
  statistics: (hypotheses, references) => bleuStatistics(hypotheses, references, options),
  score: (total) => bleuFromStatistics(total, options),
  signature: (referenceCount) => bleuSignature(referenceCount, options),
});

/**
 * Corpus BLEU, equal to sacreBLEU's `corpus_bleu`.
 * @param references reference streams, each with one line per hypothesis
 * @throws UserError when there is nothing to score or the streams differ in length
 */
export const corpusBleu = (
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: BleuOptions = {},
) => corpusScore(bleu(options), hypotheses, references);

/** BLEU of one sentence, by default with effective order, as `sacrebleu.sentence_bleu`. */
export const sentenceBleu = (hypothesis: string, references: readonly string[], options: BleuOptions = {}) =>
  sentenceScore(bleu({ effectiveOrder: true, ...options }), hypothesis, references);
