/** How well a language model predicts a text. */
import type { LanguageModel } from './model.ts';

export interface Perplexity {
  readonly sentences: number;
  /** Words and ends of sentences. */
  readonly tokens: number;
  /** Words that the model does not have. */
  readonly unknown: number;
  /** log10 probability of the text. */
  readonly logProbability: number;
  /** 10 to the minus mean log10 probability of a token: lower is better. As KenLM's `query` "including OOVs". */
  readonly perplexity: number;
  /** The same without the unknown words; to compare models of different vocabularies, look at both. */
  readonly perplexityOfKnown: number;
}

/** @param sentences words as from `languageModelWords` */
export function perplexity(model: LanguageModel, sentences: Iterable<readonly string[]>): Perplexity {
  let [count, tokens, unknown, total, ofUnknown] = [0, 0, 0, 0, 0];
  for (const words of sentences) {
    model.sentence(words).forEach((value, i) => {
      total += value;
      if (i < words.length && !model.has(words[i]!)) {
        unknown++;
        ofUnknown += value;
      }
    });
    count++;
    tokens += words.length + 1;
  }
  return {
    sentences: count,
    tokens,
    unknown,
    logProbability: total,
    perplexity: 10 ** (-total / tokens),
    perplexityOfKnown: 10 ** (-(total - ofUnknown) / (tokens - unknown)),
  };
}
