import { performance } from 'node:perf_hooks';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { bleuFromStatistics, bleuStatistics, corpusBleu, sentenceBleu } from './bleu.ts';
import { corpusChrf } from './chrf.ts';
import { corpusScore } from './corpus.ts';
import { measure } from './measure.ts';
import { chooseMetrics, METRICS } from './metrics.ts';
import { approximateRandomization, bootstrap, PAIRED_TESTS, pairedBootstrap } from './significance.ts';
import { corpusTer } from './ter.ts';
import {
  characterErrorRate,
  countEdits,
  cutLikeReferences,
  errorMetric,
  mixedErrorRate,
  wordErrorRate,
} from './word-error-rate.ts';

test('streams of unequal length and empty corpora are refused in one line', () => {
  for (const score of [corpusBleu, corpusChrf, corpusTer]) {
    expect(() => score(['a', 'b'], [['a']])).toThrow(/stream 1 has 1 sentences, but there are 2 hypotheses/);
    expect(() => score([], [[]])).toThrow(UserError);
    expect(() => score(['a'], [])).toThrow(UserError);
  }
  expect(() => wordErrorRate(['a'], [])).toThrow(/1 hypotheses but 0 references/);
  expect(() => bootstrap([], () => 0)).toThrow(UserError);
  expect(() => pairedBootstrap([[1]], [], () => 0)).toThrow(/same sentences/);
});

test('empty hypotheses and references have the scores of sacreBLEU and jiwer', () => {
  expect(sentenceBleu('', ['a b c d']).score).toBe(0);
  expect(corpusChrf([''], [['']]).score).toBe(0);
  expect(corpusTer([''], [['']]).score).toBe(0);
  expect(corpusTer(['a b'], [['']]).score).toBe(100);
  expect(wordErrorRate(['a b'], ['']).rate).toBe(2);
  expect(wordErrorRate([''], ['']).rate).toBe(0);
});

test('any strings score within bounds, and a text scores best against itself', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 60 });
  fc.assert(
    fc.property(text, text, (hypothesis, reference) => {
      for (const tokenize of ['13a', 'zh', 'char', 'intl', 'none'] as const) {
        const { score } = sentenceBleu(hypothesis, [reference], { tokenize });
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(100.0000001);
      }
      expect(corpusTer([reference], [[reference]]).score).toBe(0);
      expect(wordErrorRate([reference], [reference]).rate).toBe(0);
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('a book in one line is refused by the aligner, and two thousand words are not slow', () => {
  const words = (count: number, salt: number) =>
    Array.from({ length: count }, (_, i) => `w${(i * salt) % 997}`);
  expect(() => countEdits(words(30_000, 7), words(30_000, 11))).toThrow(UserError);
  const start = performance.now();
  const [hypothesis, reference] = [words(2_000, 7).join(' '), words(2_000, 11).join(' ')];
  expect(corpusTer([hypothesis], [[reference]]).score).toBeGreaterThan(0);
  expect(wordErrorRate([hypothesis], [reference]).rate).toBeGreaterThan(0);
  expect(performance.now() - start).toBeLessThan(20_000);
});

test('a text cut like its references has the errors of the whole', () => {
  const words = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 });
  fc.assert(
    fc.property(fc.array(words, { minLength: 1, maxLength: 5 }), words, (sentences, hypothesis) => {
      const references = sentences.map((sentence) => sentence.join(' '));
      const cut = cutLikeReferences(references, hypothesis.join(' '));
      expect(cut.filter((text) => text !== '').join(' ')).toBe(hypothesis.join(' '));
      const whole = countEdits(sentences.flat(), hypothesis);
      const parts = wordErrorRate(cut, references);
      const errors = (counts: typeof whole) => counts.substitutions + counts.deletions + counts.insertions;
      expect(errors(parts)).toBe(errors(whole));
    }),
    { numRuns: 200, seed: 1 },
  );
  expect(cutLikeReferences(['the red fish', 'is here'], 'a red fish now was here')).toEqual([
    'a red fish now',
    'was here',
  ]);
});

test('a resampling repeats with its seed, and finds no difference between a system and itself', () => {
  const statistics = bleuStatistics(
    ['a b c d e', 'b c d e f', 'x y z'],
    [['a b c d e', 'b c d e g', 'x y q']],
  );
  const score = (total: readonly number[]) => bleuFromStatistics(total).score;
  expect(bootstrap(statistics, score, { seed: 3 })).toEqual(bootstrap(statistics, score, { seed: 3 }));
  expect(bootstrap(statistics, score, { seed: 3 })).not.toEqual(bootstrap(statistics, score, { seed: 4 }));
  const same = approximateRandomization(statistics, statistics, score, { samples: 100 });
  expect(same).toEqual({ difference: 0, pValue: 1 / 101 });
});

test('error rates as metrics are those of the functions, in percent; lowercase holds for words and characters', () => {
  const [hypotheses, references] = [
    ['Hello 世界', 'a b c'],
    ['hello 世 界', 'A b'],
  ];
  for (const [kind, rate] of [
    ['wer', wordErrorRate],
    ['cer', characterErrorRate],
    ['mer', mixedErrorRate],
  ] as const) {
    const { rate: share, ...counts } = rate(hypotheses, references);
    expect(corpusScore(errorMetric(kind), hypotheses, [references])).toMatchObject({
      score: 100 * share,
      ...counts,
    });
  }
  const lowered = corpusScore(errorMetric('wer', { lowercase: true }), hypotheses, [references]);
  expect(lowered).toMatchObject({ hits: 3, substitutions: 1, insertions: 1, deletions: 1 });
});

test('every metric has an interval around its score, and two equal outputs do not differ', () => {
  const [hypotheses, references] = [
    ['我 想 go home', '今天 好', 'x'],
    [['我 要 go home', '今天 很 好', 'x y']],
  ];
  const metrics = chooseMetrics(undefined, 1, { tokenize: 'zh', language: 'zh' });
  expect([...metrics.keys()]).toEqual([...METRICS]);
  for (const [name, metric] of metrics) {
    const statistics = metric.statistics(hypotheses, references);
    for (const test of PAIRED_TESTS) {
      const result = measure(metric, statistics, statistics, 1, { test, samples: 100 });
      expect(result.comparison, name).toEqual({ difference: 0, pValue: 1 });
      expect(result.interval.low, name).toBeLessThanOrEqual(result.score);
      expect(result.interval.high, name).toBeGreaterThanOrEqual(result.score);
    }
  }
});

test('one error in a hundred sentences is not significant, however it is tested', () => {
  const baseline = Array.from({ length: 100 }, () => [9, 1, 0, 0]);
  const system = baseline.with(50, [10, 0, 0, 0]);
  for (const test of PAIRED_TESTS) {
    const { comparison } = measure(errorMetric('wer'), system, baseline, 1, { test, ties: true });
    expect(comparison!.difference).toBeCloseTo(-0.1, 9);
    expect(comparison!.pValue).toBeGreaterThan(0.05);
  }
  // Without ties it would be.
  const { comparison } = measure(errorMetric('wer'), system, baseline, 1, { test: 'randomization' });
  expect(comparison!.pValue).toBe(1 / 10_001);
});

test('metrics that need one reference or a language are skipped, and refused by name', () => {
  expect([...chooseMetrics(undefined, 2, {}).keys()]).toEqual(['bleu', 'chrf', 'chrf++', 'ter']);
  expect(() => chooseMetrics(['mer'], 2, {})).toThrow(/mer needs exactly one reference, but there are 2/);
  expect(() => chooseMetrics(['off-target'], 1, {})).toThrow(UserError);
});
