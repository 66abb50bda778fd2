import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type BleuOptions, bleuFromStatistics, bleuStatistics, corpusBleu, sentenceBleu } from './bleu.ts';
import { type ChrfOptions, chrfFromStatistics, chrfStatistics, corpusChrf, sentenceChrf } from './chrf.ts';
import { approximateRandomization, bootstrap, pairedBootstrap } from './significance.ts';
import { corpusTer, terStatistics } from './ter.ts';
import type { TerTokenizerOptions } from './ter-tokenizer.ts';
import { characterErrorRate, mixedErrorRate, wordErrorRate } from './word-error-rate.ts';

/** Made by scripts/golden/metrics.py with sacreBLEU 2.6.0 and jiwer 4.0. */
const golden = JSON.parse(
  gunzipSync(readFileSync(new URL('./golden/metrics-real.json.gz', import.meta.url))).toString('utf8'),
);

const BLEU: Record<string, BleuOptions> = {
  'bleu 13a': {},
  'bleu zh': { tokenize: 'zh' },
  'bleu char': { tokenize: 'char' },
  'bleu intl': { tokenize: 'intl' },
  'bleu none': { tokenize: 'none' },
  'bleu zh lc floor eff 2': { tokenize: 'zh', lowercase: true, smooth: 'floor', effectiveOrder: true },
  'bleu 13a add-k 2': { smooth: 'add-k', smoothValue: 0.5 },
  'bleu intl none': { tokenize: 'intl', smooth: 'none' },
  'bleu zh 2': { tokenize: 'zh' },
};
const CHRF: Record<string, ChrfOptions> = {
  chrf: {},
  'chrf lc': { lowercase: true },
  'chrf++': { wordOrder: 2 },
  'chrf++ lc': { wordOrder: 2, lowercase: true },
  'chrf space eps 2': { charOrder: 4, wordOrder: 1, beta: 1, whitespace: true, epsilonSmoothing: true },
  'chrf++ 2': { wordOrder: 2 },
};
const TER: Record<string, TerTokenizerOptions> = {
  ter: {},
  'ter norm asian 2': { normalized: true, asianSupport: true },
  'ter norm case': { normalized: true, caseSensitive: true },
  'ter nopunct': { noPunctuation: true },
  'ter norm nopunct asian': { normalized: true, noPunctuation: true, asianSupport: true },
  'ter nopunct asian case': { noPunctuation: true, asianSupport: true, caseSensitive: true },
};

test('there are a thousand real sentences and a hundred transcripts by Whisper, scored by all of the metrics here', () => {
  const count = (set: string) => golden[set].hypotheses.length;
  expect(count('zh') + count('en')).toBe(1000);
  expect(count('transcripts')).toBe(107);
  const names = Object.keys({ ...BLEU, ...CHRF, ...TER });
  expect(names.sort()).toEqual(Object.keys(golden.zh.scores).sort());
});

describe.each(['zh', 'en', 'transcripts'])('real sentences, %s', (language) => {
  const { hypotheses, references, scores, ...expected } = golden[language];
  const streams = (name: string) => (name.endsWith(' 2') ? references : references.slice(0, 1));

  test.each(Object.entries(BLEU))('%s equals sacreBLEU with its signature', (name, options) => {
    const result = corpusBleu(hypotheses, streams(name), options);
    expect(result.score).toBeCloseTo(scores[name].score, 9);
    expect(result.signature).toBe(scores[name].signature);
    expect(result.brevityPenalty).toBeCloseTo(scores[name].bp, 12);
    expect([result.hypothesisLength, result.referenceLength]).toEqual(scores[name].lengths);
    scores[name].precisions.forEach((precision: number, n: number) => {
      expect(result.precisions[n]).toBeCloseTo(precision, 9);
    });
  });

  test.each(Object.entries(CHRF))('%s equals sacreBLEU with its signature', (name, options) => {
    const result = corpusChrf(hypotheses, streams(name), options);
    expect(result.score).toBeCloseTo(scores[name].score, 9);
    expect(result.signature).toBe(scores[name].signature);
  });

  test.each(Object.entries(TER))('%s equals sacreBLEU with its signature', (name, options) => {
    const result = corpusTer(hypotheses, streams(name), options);
    expect(result.score).toBeCloseTo(scores[name].score, 9);
    expect(result.signature).toBe(scores[name].signature);
  });

  test('each sentence has the BLEU and chrF++ of sacreBLEU', () => {
    hypotheses.forEach((hypothesis: string, i: number) => {
      const own = references.map((stream: string[]) => stream[i]!);
      const tokenize = language === 'zh' ? 'zh' : '13a';
      expect(sentenceBleu(hypothesis, own, { tokenize }).score).toBeCloseTo(expected.sentenceBleu[i], 9);
      expect(sentenceChrf(hypothesis, own, { wordOrder: 2 }).score).toBeCloseTo(expected.sentenceChrf[i], 9);
    });
  });

  test('word, character and mixed errors are those of jiwer, kind by kind', () => {
    const rates = { wer: wordErrorRate, cer: characterErrorRate, mixed: mixedErrorRate };
    for (const [name, rate] of Object.entries(rates)) {
      const { substitutions, deletions, insertions, hits } = rate(hypotheses, references[0]);
      expect([name, substitutions, deletions, insertions, hits]).toEqual([name, ...expected[name]]);
    }
  });
});

test('lines of up to 400 words keep to the limits of Tercom, and jiwer counts the same errors', () => {
  for (const [hypothesis, reference, edits, errors] of golden.long) {
    expect(terStatistics([hypothesis], [[reference]])[0]![0]).toBe(edits);
    const { substitutions, deletions, insertions, hits } = wordErrorRate([hypothesis], [reference]);
    expect([substitutions, deletions, insertions, hits]).toEqual(errors);
  }
});

describe.each(['bleu', 'chrf'])('resampling %s', (name) => {
  const { hypotheses, references } = golden.zh;
  const expected = golden.paired[name];
  const [statisticsOf, scoreOf] =
    name === 'bleu'
      ? [
          (texts: string[]) => bleuStatistics(texts, references, { tokenize: 'zh' }),
          (total: readonly number[]) => bleuFromStatistics(total, { tokenize: 'zh' }).score,
        ]
      : [
          (texts: string[]) => chrfStatistics(texts, references),
          (total: readonly number[]) => chrfFromStatistics(total).score,
        ];
  const system = statisticsOf(hypotheses);
  const options = { samples: 200, seed: golden.seed };

  test('equal draws give the means, bounds and p-values of sacreBLEU', () => {
    // The weaker system lacks the last three characters of every third line.
    const weaker = statisticsOf(
      hypotheses.map((line: string, i: number) =>
        i % 3 === 0 ? Array.from(line).slice(0, -3).join('') : line,
      ),
    );
    const result = pairedBootstrap(weaker, system, scoreOf, options);
    expect(result.difference).toBeCloseTo(expected.system - expected.base, 9);
    [result.baseline, result.system].forEach((interval, i) => {
      expect(interval.mean).toBeCloseTo(expected.means[i], 9);
      expect(interval.low).toBeCloseTo(expected.bounds[i][0], 9);
      expect(interval.high).toBeCloseTo(expected.bounds[i][1], 9);
    });
    expect(result.pValue).toBeCloseTo(expected.bs, 12);
    expect(approximateRandomization(weaker, system, scoreOf, options).pValue).toBeCloseTo(expected.ar, 12);
  });

  // Lacks the last character of every fiftieth line.
  const almost = statisticsOf(
    hypotheses.map((line: string, i: number) =>
      i % 50 === 0 ? Array.from(line).slice(0, -1).join('') : line,
    ),
  );

  test("sacreBLEU's own tests, given the same draws, come to the same p-values", () => {
    const [baselineTool, systemTool] = expected['tool bs'];
    const result = pairedBootstrap(almost, system, scoreOf, options);
    expect(result.pValue).toBeCloseTo(systemTool.p, 12);
    for (const [interval, tool] of [
      [result.baseline, baselineTool],
      [result.system, systemTool],
    ]) {
      // It adds up in float32.
      expect(interval.mean).toBeCloseTo(tool.mean, 3);
      expect((interval.high - interval.low) / 2).toBeCloseTo(tool.ci, 3);
    }
    const randomized = approximateRandomization(almost, system, scoreOf, options);
    expect(randomized.pValue).toBeCloseTo(expected['tool ar'][1].p, 12);
  });

  test("own draws come near numpy's: means by 0.15, half intervals by 15 %, p-values by 0.06", () => {
    const { mean, low, high } = bootstrap(system, scoreOf);
    const bs = expected['numpy bs'];
    expect(Math.abs(mean - bs.mean)).toBeLessThan(0.15);
    expect(Math.abs((high - low) / 2 / bs.ci - 1)).toBeLessThan(0.15);
    expect(Math.abs(pairedBootstrap(almost, system, scoreOf).pValue - bs.p)).toBeLessThan(0.06);
    const randomized = approximateRandomization(almost, system, scoreOf, { samples: 1000 });
    expect(Math.abs(randomized.pValue - expected['numpy ar'].p)).toBeLessThan(0.06);
  });
});
