/** Metrics of each test, with the normalisation of texts before they are compared. */

import { languageProfile } from '../language/profile.ts';
import { bleu } from '../metrics/bleu.ts';
import { chrf } from '../metrics/chrf.ts';
import { type CorpusMetric, sentenceScore } from '../metrics/corpus.ts';
import { chooseMetrics, type MetricName } from '../metrics/metrics.ts';
import { bleuTokenizerOf } from '../metrics/tokenizers.ts';
import type { Test } from './tasks.ts';

export interface Measure {
  readonly name: string;
  readonly metric: CorpusMetric;
  /** Normalises hypotheses and references. */
  readonly prepare: (text: string) => string;
  /** Signature of the metric, with the normalisation. */
  readonly signature: string;
}

const TRANSLATION: readonly MetricName[] = ['bleu', 'chrf', 'chrf++', 'ter', 'off-target', 'hallucination'];
const RECOGNITION: readonly MetricName[] = ['wer', 'cer', 'mer', 'off-target', 'hallucination'];

/** Whether the off-target rate knows the script of a language. */
const hasKnownScript = (language: string): boolean => languageProfile(language).script !== undefined;

/** Metrics of a test. @param language of the clips */
export function measuresOf({ task, target, tokenize }: Test, language: string): Measure[] {
  const written = target ?? language;
  const names = (task === 'translate' ? TRANSLATION : RECOGNITION).filter(
    (name) => name !== 'off-target' || hasKnownScript(written),
  );
  const metrics = chooseMetrics(names, 1, {
    tokenize: tokenize ?? bleuTokenizerOf(written),
    ...(hasKnownScript(written) && { language: written }),
  });
  return [...metrics].map(([name, metric]) => {
    const { prepare, remark } = preparation(name, written);
    return { name, metric, prepare, signature: [metric.signature(1), ...remark].join(', ') };
  });
}

function preparation(name: string, language: string): { prepare: Measure['prepare']; remark: string[] } {
  const { base, spaces, reference, form, transcript } = languageProfile(language);
  const remark = form === undefined ? [] : [form];
  if (name !== 'wer' && name !== 'cer') return { prepare: reference, remark };
  // Radford et al. 2022, appendix C: without spaces between words letters are counted.
  const splitLetters = name === 'wer' && !spaces;
  return {
    prepare: (text) => transcript(text, { splitLetters }),
    remark: [
      `normalised as Whisper's ${base === 'en' ? 'English' : 'basic'} normalizer`,
      ...(splitLetters ? ['letters as words'] : []),
      ...remark,
    ],
  };
}

export interface SentenceScores {
  readonly bleu?: number;
  readonly chrf?: number;
  readonly wer?: number;
}

/** Scores of one sentence, for the file of predictions; two decimals. */
export function sentenceScores(
  test: Test,
  language: string,
  hypothesis: string,
  reference: string,
): SentenceScores {
  const round = (score: number): number => Number(score.toFixed(2));
  if (test.task === 'transcribe') {
    const { metric, prepare } = measuresOf(test, language)[0]!;
    return { wer: round(sentenceScore(metric, prepare(hypothesis), [prepare(reference)]).score) };
  }
  const { reference: form } = languageProfile(test.target!);
  const score = (metric: CorpusMetric): number =>
    round(sentenceScore(metric, form(hypothesis), [form(reference)]).score);
  return {
    bleu: score(bleu({ tokenize: test.tokenize ?? bleuTokenizerOf(test.target!), effectiveOrder: true })),
    chrf: score(chrf()),
  };
}
