/** What decoding asks of a language model, of whatever kind: log probabilities of sentences, many at once. */
import { CausalLanguageModel } from './causal.ts';
import type { LanguageModel } from './model.ts';
import { textOfWords } from './words.ts';

/** N-grams of words, or a neural model of tokens. */
export type AnyLanguageModel = LanguageModel | CausalLanguageModel;

/** Natural logarithms. */
export interface SentenceScore {
  /** Probability that a sentence begins with the words. */
  readonly begun: number;
  /** Probability that it begins with them and ends there. */
  readonly ended: number;
}

/** @param sentences words of each, as from `languageModelWords` */
export type SentenceScorer = (sentences: readonly (readonly string[])[]) => Promise<readonly SentenceScore[]>;

/** @param language of the words: it determines where spaces stand in the text that a causal model reads */
export function sentenceScorer(model: AnyLanguageModel, language: string): SentenceScorer {
  if (model instanceof CausalLanguageModel) {
    return (sentences) => model.score(sentences.map((words) => textOfWords(words, language)));
  }
  return async (sentences) =>
    sentences.map((words) => {
      const scores = model.sentence(words).map((log10) => log10 * Math.LN10);
      const ended = scores.reduce((sum, score) => sum + score, 0);
      return { begun: ended - scores.at(-1)!, ended };
    });
}
