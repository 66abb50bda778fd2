/** The scores of a set of translations into Chinese (or another language), as the tables show them. */

import { toSimplified } from '../language/simplified.ts';
import { corpusBleu } from './bleu.ts';
import { corpusChrf } from './chrf.ts';
import { offTargetRate } from './off-target.ts';
import type { BleuTokenizer } from './tokenizers.ts';

export interface TranslationScores {
  /** 0 to 100. */
  readonly bleu: number;
  /** 0 to 100. */
  readonly chrf: number;
  /** Share of outputs that are not in the target language, 0 to 1. */
  readonly offTarget: number;
  readonly signatures: { readonly bleu: string; readonly chrf: string };
}

/** Chinese is compared in Simplified characters on both sides. */
export function translationScores(
  hypotheses: readonly string[],
  references: readonly string[],
  language: string,
): TranslationScores {
  const chinese = language === 'zh';
  const normal = (texts: readonly string[]): string[] =>
    texts.map((text) => (chinese ? toSimplified(text) : text));
  const tokenize: BleuTokenizer = chinese ? 'zh' : '13a';
  const bleu = corpusBleu(normal(hypotheses), [normal(references)], { tokenize });
  const chrf = corpusChrf(normal(hypotheses), [normal(references)]);
  return {
    bleu: bleu.score,
    chrf: chrf.score,
    offTarget: offTargetRate(hypotheses, language),
    signatures: { bleu: bleu.signature, chrf: chrf.signature },
  };
}
