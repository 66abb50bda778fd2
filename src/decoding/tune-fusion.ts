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
import { type ScoredText, scoredTexts, totalScore } from './nbest-rescoring.ts';

/** Upper bounds of the weights, from 0. */
const LARGEST_ALPHA = 1;
const LARGEST_BETA = 1.5;
/** Number of the best weights: those to decode with, besides no language model. */
const FINALISTS = 3;

export interface TuneFusionOptions {
  /** Language of the texts, Whisper's code. */
  readonly language: string;
  /** English first: the token before the text in the target language. */
  readonly separator?: number | undefined;
  readonly beams: number;
  /** Choose for rescoring: the trials are what it does, and nothing is decoded again. Default false. */
  readonly rescore?: boolean | undefined;
  readonly trials: number;
  readonly seed: number;
  readonly onProgress?: (stage: string, done: number, total: number) => void;
}

export interface Weights {
  readonly alpha: number;
  readonly beta: number;
}

export interface TunedWeights extends Weights {
  /** Error rate in normalised words (Chinese: characters), decoded or rescored with these weights. */
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
  { language, separator, beams, rescore, trials, seed, onProgress }: TuneFusionOptions,
): Promise<TunedFusion> {
  const scorer = sentenceScorer(lm, language);
  const references = clips.map(({ reference }) => reference);
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
  );
  const { baseline, trialled, oracle } = tuneRescoring(choices, references, { language, trials, seed });
  const finalists = trialled.slice(0, FINALISTS);
  if (rescore) return { baseline, tuned: finalists, oracle };
  const errorRate = errorRateTo(references, language);
  const tuned: TunedWeights[] = [];
  for (const [i, { alpha, beta }] of finalists.entries()) {
    const texts = await run(
      { alpha, beta },
      `decoding with the best weights, ${i + 1} of ${finalists.length}`,
    );
    tuned.push({ alpha, beta, errorRate: errorRate(texts.map(({ text }) => text)) });
  }
  return { baseline, tuned: tuned.sort((a, b) => a.errorRate - b.errorRate), oracle };
}

/**
 * Trials of weights on the texts that a search found.
 * @param choices texts of each clip, the search's best first
 * @param references text of each clip
 * @returns what {@link tuneFusion} does, but all trials, the best first
 */
export function tuneRescoring(
  choices: readonly (readonly ScoredText[])[],
  references: readonly string[],
  { language, trials, seed }: Pick<TuneFusionOptions, 'language' | 'trials' | 'seed'>,
): Pick<TunedFusion, 'baseline' | 'oracle'> & { readonly trialled: readonly TunedWeights[] } {
  const errorRate = errorRateTo(references, language);
  const random = sfc32(seed);
  const trialled = Array.from({ length: trials }, () => {
    const weights = { alpha: LARGEST_ALPHA * uniform(random), beta: LARGEST_BETA * uniform(random) };
    return { ...weights, errorRate: errorRate(choices.map((texts) => bestText(texts, weights))) };
  });
  const oracle = choices.map((texts, i) => {
    const own = errorRateTo([references[i]!], language);
    const errors = ({ text }: ScoredText): number => own([text]);
    return texts.reduce((a, b) => (errors(b) < errors(a) ? b : a)).text;
  });
  return {
    baseline: { alpha: 0, beta: 0, errorRate: errorRate(choices.map(([first]) => first!.text)) },
    trialled: trialled.sort((a, b) => a.errorRate - b.errorRate || a.alpha - b.alpha),
    oracle: errorRate(oracle),
  };
}

/** The text that rescoring with these weights chooses. */
export function bestText(texts: readonly ScoredText[], weights: Weights): string {
  return texts.reduce((a, b) => (totalScore(b, weights) > totalScore(a, weights) ? b : a)).text;
}

/** Measures texts against references, both as words of the language model. */
function errorRateTo(references: readonly string[], language: string): (texts: readonly string[]) => number {
  const normalized = (text: string): string => languageModelWords(text, language).join(' ');
  const wanted = references.map(normalized);
  return (texts) => wordErrorRate(texts.map(normalized), wanted).rate;
}
