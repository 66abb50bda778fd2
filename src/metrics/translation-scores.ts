/** The scores of a set of translations into a language, as the tables show them. */

import { languageProfile } from '../language/profile.ts';
import { corpusBleu } from './bleu.ts';
import { corpusChrf } from './chrf.ts';
import { prepareMetrics } from './metrics.ts';
import { offTargetRate } from './off-target.ts';
import { bleuTokenizerOf } from './tokenizers.ts';

export interface TranslationScores {
  /** 0 to 100. */
  readonly bleu: number;
  /** 0 to 100. */
  readonly chrf: number;
  /** Share of outputs that are not in the target language, 0 to 1; undefined where its script is not known. */
  readonly offTarget: number | undefined;
  readonly signatures: { readonly bleu: string; readonly chrf: string };
}

/** Hypotheses and references are compared in the form of the language's profile: Chinese in Simplified characters. */
export async function translationScores(
  hypotheses: readonly string[],
  references: readonly string[],
  language: string,
): Promise<TranslationScores> {
  await prepareMetrics(language);
  const { reference, script } = languageProfile(language);
  const tokenize = bleuTokenizerOf(language);
  const normal = (texts: readonly string[]): string[] => texts.map(reference);
  const bleu = corpusBleu(normal(hypotheses), [normal(references)], { tokenize });
  const chrf = corpusChrf(normal(hypotheses), [normal(references)]);
  return {
    bleu: bleu.score,
    chrf: chrf.score,
    offTarget: script === undefined ? undefined : offTargetRate(hypotheses, language),
    signatures: { bleu: bleu.signature, chrf: chrf.signature },
  };
}
