/** Which metrics a test has, and what is done to the texts before they are compared. */

import { normalizeEnglish } from '../language/english/normalize-english.ts';
import { normalizeBasic } from '../language/normalize-basic.ts';
import { toSimplified } from '../language/simplified.ts';
import { bleu } from '../metrics/bleu.ts';
import { chrf } from '../metrics/chrf.ts';
import { type CorpusMetric, sentenceScore } from '../metrics/corpus.ts';
import { chooseMetrics, type MetricName } from '../metrics/metrics.ts';
import { isTargetLanguage } from '../metrics/off-target.ts';
import type { Test } from './tasks.ts';

export interface Measure {
  readonly name: string;
  readonly metric: CorpusMetric;
  /** Of hypotheses and references. */
  readonly prepare: (text: string) => string;
  /** The metric's, with what `prepare` does. */
  readonly signature: string;
}

const TRANSLATION: readonly MetricName[] = ['bleu', 'chrf', 'chrf++', 'ter', 'off-target', 'hallucination'];
const RECOGNITION: readonly MetricName[] = ['wer', 'cer', 'mer', 'off-target', 'hallucination'];

/**
 * Written without blanks between words: letters are counted instead (Radford et al. 2022, appendix C; Cantonese has a
 * token in large-v3 only and is written as Chinese is).
 */
const WITHOUT_BLANKS: readonly string[] = ['zh', 'yue', 'ja', 'th', 'lo', 'my'];

const isChinese = (language: string): boolean => language === 'zh' || language === 'yue';

/** Chinese is compared in Simplified characters on both sides. */
const script = (language: string) => (isChinese(language) ? toSimplified : (text: string) => text);

/** Whether the off-target rate knows the script of a language. */
function canTellTarget(language: string): boolean {
  try {
    isTargetLanguage('', language);
    return true;
  } catch {
    return false;
  }
}

/** @param language of the clips */
export function measuresOf({ task, target }: Test, language: string): Measure[] {
  const written = target ?? language;
  const names = (task === 'translate' ? TRANSLATION : RECOGNITION).filter(
    (name) => name !== 'off-target' || canTellTarget(written),
  );
  const metrics = chooseMetrics(names, 1, {
    tokenize: isChinese(written) ? 'zh' : '13a',
    ...(canTellTarget(written) && { language: written }),
  });
  return [...metrics].map(([name, metric]) => {
    const { prepare, remark } = preparation(name, written);
    return { name, metric, prepare, signature: [metric.signature(1), ...remark].join(', ') };
  });
}

function preparation(name: string, language: string): { prepare: Measure['prepare']; remark: string[] } {
  const simplify = script(language);
  const remark = isChinese(language) ? ['in Simplified characters'] : [];
  if (name !== 'wer' && name !== 'cer') return { prepare: simplify, remark };
  const splitLetters = name === 'wer' && WITHOUT_BLANKS.includes(language);
  return {
    prepare: (text) =>
      language === 'en' ? normalizeEnglish(text) : normalizeBasic(simplify(text), { splitLetters }),
    remark: [
      `normalised as Whisper's ${language === 'en' ? 'English' : 'basic'} normalizer`,
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
  const target = test.target!;
  const simplify = script(target);
  const score = (metric: CorpusMetric): number =>
    round(sentenceScore(metric, simplify(hypothesis), [simplify(reference)]).score);
  return {
    bleu: score(bleu({ tokenize: isChinese(target) ? 'zh' : '13a', effectiveOrder: true })),
    chrf: score(chrf()),
  };
}
