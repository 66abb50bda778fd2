/** What decoding asks of a language model, of whatever kind: log probabilities of sentences, many at once. */
import { CausalLanguageModel } from './causal.ts';
import type { LanguageModel } from './model.ts';
import { languageModelWords, textOfWords, writtenWords } from './words.ts';

/** N-grams of words, or a neural model of tokens. */
export type AnyLanguageModel = LanguageModel | CausalLanguageModel;

/** Natural logarithms. */
export interface SentenceScore {
  /** Probability that a sentence begins with the words. */
  readonly begun: number;
  /** Probability that it begins with them and ends there. */
  readonly ended: number;
}

export interface SentenceScorer {
  /** Words of a text as the model reads it: normalised, or as they are written. */
  readonly words: (text: string) => string[];
  /** @param sentences words of each, or the first of them */
  readonly score: (sentences: readonly (readonly string[])[]) => Promise<readonly SentenceScore[]>;
}

/** @param language of the texts: it determines what a word is, and where spaces stand */
export function sentenceScorer(model: AnyLanguageModel, language: string): SentenceScorer {
  const normalized = (text: string): string[] => languageModelWords(text, language);
  if (model instanceof CausalLanguageModel) {
    return model.readsNormalized
      ? {
          words: normalized,
          score: (sentences) => model.score(sentences.map((words) => textOfWords(words, language))),
        }
      : {
          words: (text) => writtenWords(text, language),
          score: (sentences) => model.score(sentences.map((words) => words.join('').trim())),
        };
  }
  return {
    words: normalized,
    score: async (sentences) =>
      sentences.map((words) => {
        const scores = model.sentence(words).map((log10) => log10 * Math.LN10);
        const ended = scores.reduce((sum, score) => sum + score, 0);
        return { begun: ended - scores.at(-1)!, ended };
      }),
  };
}
