/**
 * The weights α and β of shallow fusion, chosen on clips with references (de Zuazo et al. 2025 search them in 100
 * trials). Decoding for each trial would take hours: the trials rescore the texts that one beam search found, and the best few
 * weights are then decoded with.
 */

import { type AnyLanguageModel, sentenceScorer } from '../language-model/scorer.ts';
import { languageModelWords } from '../language-model/words.ts';
import { wordErrorRate } from '../metrics/word-error-rate.ts';
import { sfc32, uniform } from '../random.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { decode } from './decode.ts';
import { LanguageModelFusion } from './language-model-fusion.ts';
import { scoredTexts, totalScore } from './nbest-rescoring.ts';

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
  lm: AnyLanguageModel,
  clips: readonly {
    readonly encoded: EncodedClip;
    readonly prompt: readonly number[];
    readonly reference: string;
  }[],
  { language, separator, beams, trials, seed, onProgress }: TuneFusionOptions,
): Promise<TunedFusion> {
  const scorer = sentenceScorer(lm, language);
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
      ...(weights && { filters: [new LanguageModelFusion(scorer, model.tokens, { ...weights, language })] }),
      onProgress: (done) => onProgress?.(stage, done, clips.length),
    });

  const found = await run(undefined, 'decoding without the language model');
  const choices = await scoredTexts(
    found.map(({ text, score, tokens, alternatives }) => [{ text, score, tokens }, ...alternatives]),
    scorer,
    language,
  );
  const chosen = (weights: Weights): string[] =>
    choices.map(
      (texts) =>
        texts.reduce((best, text) => (totalScore(text, weights) > totalScore(best, weights) ? text : best))
          .text,
    );
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
