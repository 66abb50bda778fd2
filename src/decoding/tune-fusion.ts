/**
 * The weights α and β of shallow fusion, chosen on clips with references (de Zuazo et al. 2025 search them in 100
 * trials). Decoding for each trial would take hours: the trials rescore the texts that one beam search found, and the best few
 * weights are then decoded with.
 */

import type { LanguageModel } from '../language-model/model.ts';
import { languageModelWords } from '../language-model/words.ts';
import { wordErrorRate } from '../metrics/word-error-rate.ts';
import { sfc32, uniform } from '../random.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { decode } from './decode.ts';
import { LanguageModelFusion } from './language-model-fusion.ts';

/** Upper bounds of the weights, from 0. */
const LARGEST_ALPHA = 1;
const LARGEST_BETA = 1.5;
/** Number of weights to decode with, besides no language model. */
const FINALISTS = 3;

export interface TuneFusionOptions {
  /** Language of the texts, Whisper's code. */
  readonly language: string;
  /** English first: the token before the text in the target language. */
  readonly separator?: number | undefined;
  readonly beams: number;
  readonly trials: number;
  readonly seed: number;
  readonly onProgress?: (stage: string, done: number, total: number) => void;
}

export interface Weights {
  readonly alpha: number;
  readonly beta: number;
}

export interface TunedWeights extends Weights {
  /** Error rate in words of the language model (Chinese: characters), decoded with these weights. */
  readonly errorRate: number;
}

export interface TunedFusion {
  /** Without a language model; α and β are 0. */
  readonly baseline: TunedWeights;
  /** The best first. */
  readonly tuned: readonly TunedWeights[];
  /** Error rate of the best choice among the texts of the beam search: no weights do better in a trial. */
  readonly oracle: number;
}

/**
 * @param clips with their prompts and references
 */
export async function tuneFusion(
  model: WhisperModel,
  lm: LanguageModel,
  clips: readonly {
    readonly encoded: EncodedClip;
    readonly prompt: readonly number[];
    readonly reference: string;
  }[],
  { language, separator, beams, trials, seed, onProgress }: TuneFusionOptions,
): Promise<TunedFusion> {
  const words = (text: string): string[] => languageModelWords(text, language);
  const references = clips.map(({ reference }) => words(reference).join(' '));
  const errorRate = (texts: readonly string[]): number =>
    wordErrorRate(
      texts.map((text) => words(text).join(' ')),
      references,
    ).rate;
  const encoded = clips.map((clip) => clip.encoded);
  const prompts = clips.map(({ prompt }) => prompt);
  const run = (weights: Weights | undefined, stage: string) =>
    decode(model, encoded, {
      prompts,
      separator,
      beams,
      patience: weights ? 1 : 2, // more texts to rescore
      ...(weights && { filters: [new LanguageModelFusion(lm, model.tokens, { ...weights, language })] }),
      onProgress: (done) => onProgress?.(stage, done, clips.length),
    });

  const found = await run(undefined, 'decoding without the language model');
  const choices = found.map(({ text, score, tokens, alternatives }) =>
    [{ text, score, tokens }, ...alternatives].map((choice) => {
      const own = words(choice.text);
      return {
        text: choice.text,
        score: choice.score,
        // Scores are means over the tokens and the end of text, so the language model's part is divided by their number, too.
        length: choice.tokens.length + 1,
        languageModel: lm.sentence(own).reduce((sum, value) => sum + value, 0) * Math.LN10,
        words: own.length,
      };
    }),
  );
  const chosen = ({ alpha, beta }: Weights): string[] =>
    choices.map((texts) => {
      const total = ({ score, length, languageModel, words }: (typeof texts)[number]): number =>
        score + (alpha * languageModel + beta * words) / length;
      return texts.reduce((best, text) => (total(text) > total(best) ? text : best)).text;
    });
  const random = sfc32(seed);
  const trialled = Array.from({ length: trials }, () => {
    const weights = { alpha: LARGEST_ALPHA * uniform(random), beta: LARGEST_BETA * uniform(random) };
    return { ...weights, errorRate: errorRate(chosen(weights)) };
  }).sort((a, b) => a.errorRate - b.errorRate || a.alpha - b.alpha);

  const finalists = trialled.slice(0, FINALISTS);
  const tuned: TunedWeights[] = [];
  for (const [i, { alpha, beta }] of finalists.entries()) {
    const texts = await run(
      { alpha, beta },
      `decoding with the best weights, ${i + 1} of ${finalists.length}`,
    );
    tuned.push({ alpha, beta, errorRate: errorRate(texts.map(({ text }) => text)) });
  }
  const best = choices.map((texts, i) => {
    const errors = (text: string): number => wordErrorRate([words(text).join(' ')], [references[i]!]).rate;
    return texts.reduce((a, b) => (errors(b.text) < errors(a.text) ? b : a)).text;
  });
  return {
    baseline: { alpha: 0, beta: 0, errorRate: errorRate(found.map(({ text }) => text)) },
    tuned: tuned.sort((a, b) => a.errorRate - b.errorRate),
    oracle: errorRate(best),
  };
}
