/**
 * Rescoring of the texts that a search found by a language model (de Zuazo et al. 2025, "Whisper-LM"): they are compared by
 * log P_speech + α · log P_lm(words) + β · words, without the search's division by their length: to a causal model the second
 * copy of a repeated text costs next to nothing, and a mean would reward the repetitions that noise brings.
 */
import type { SentenceScorer } from '../language-model/scorer.ts';
import type { Alternative } from './decoding.ts';
import type { FusionOptions } from './language-model-fusion.ts';

/** What a language model says of a text of a search. */
export interface ScoredText extends Alternative {
  /** Natural logarithm of its probability under the language model. */
  readonly languageModel: number;
  /** Number of its words. */
  readonly words: number;
}

/** The same texts, by clip, with what the language model says of them. */
export async function scoredTexts(
  clips: readonly (readonly Alternative[])[],
  { words: wordsOf, score }: SentenceScorer,
): Promise<ScoredText[][]> {
  const words = clips.map((texts) => texts.map(({ text }) => wordsOf(text)));
  const scores = [...(await score(words.flat()))];
  return clips.map((texts, clip) =>
    texts.map((text, i) => ({
      ...text,
      languageModel: scores.shift()!.ended,
      words: words[clip]![i]!.length,
    })),
  );
}

/** The score of a text with the language model's part. @param lengthPenalty by which the search has divided its scores */
export function totalScore(
  { score, tokens, languageModel, words }: ScoredText,
  { alpha, beta }: Pick<FusionOptions, 'alpha' | 'beta'>,
  lengthPenalty = 1,
): number {
  // The end of text counts as a token.
  return score * (tokens.length + 1) ** lengthPenalty + alpha * languageModel + beta * words;
}

export class NbestRescoring {
  /** @param options `lengthPenalty` is the search's. Default 1 */
  constructor(
    private readonly scorer: SentenceScorer,
    private readonly options: Omit<FusionOptions, 'language'> & {
      readonly lengthPenalty?: number | undefined;
    },
  ) {}

  /** New scores of the texts, by clip. */
  async scores(clips: readonly (readonly Alternative[])[]): Promise<number[][]> {
    const scored = await scoredTexts(clips, this.scorer);
    return scored.map((texts) =>
      texts.map((text) => totalScore(text, this.options, this.options.lengthPenalty)),
    );
  }
}
