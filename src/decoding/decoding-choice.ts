/** Decoding options of a user, and their resolution for a model: reads the files that they name. */
import { sameLanguage } from '../language/profile.ts';
import { readLanguageModel } from '../language-model/read.ts';
import { type AnyLanguageModel, sentenceScorer } from '../language-model/scorer.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { keptVocabulary, type TargetVocabulary, targetVocabulary } from '../whisper/target-vocabulary.ts';
import type { DecodingOptions, SearchOptions } from './decoding.ts';
import { defaultFusion, fallbackTemperatures } from './decoding.ts';
import { LanguageModelFusion } from './language-model-fusion.ts';
import { NbestRescoring } from './nbest-rescoring.ts';
import { targetOf } from './prompt-choice.ts';

export interface DecodingChoice extends SearchOptions {
  /**
   * 0: greedy or beam search; above 0: sampling. The temperatures of a list are tried in order until the text neither
   * repeats itself nor is unlikely. Default 0.
   */
  readonly temperature?: number | readonly number[] | undefined;
  /** The same as OpenAI's temperatures: [0, 0.2, 0.4, 0.6, 0.8, 1]. Default false. */
  readonly fallback?: boolean | undefined;
  /**
   * Restricts the decoder to tokens that occur in this text file or, where true, to those saved with the model. Default: those
   * saved with the model in its own target language, as it was trained with no others; else all.
   */
  readonly targetVocabulary?: string | true | TargetVocabulary | undefined;
  /** Language model for shallow fusion. Default: none. */
  readonly languageModel?: LanguageModelChoice | undefined;
}

export interface LanguageModelChoice {
  /**
   * An ARPA file, read at each call; the folder of a causal language model (ONNX), read once for each Whisper model; or a
   * model from `readArpa` or `CausalLanguageModel.load`.
   */
  readonly model: string | AnyLanguageModel;
  /** Choose with it among the texts of a beam search, which is then made without it: less work. Default false. */
  readonly rescore?: boolean | undefined;
  /** Weight of the language model. Default 0.3. */
  readonly alpha?: number | undefined;
  /** Score added per word, as the language model prefers short texts. Default 0.3. */
  readonly beta?: number | undefined;
  /** Language of the text that it was trained on. Default: the language that is written. */
  readonly language?: string | undefined;
}

/** Options of `decode` without prompts, and the temperatures to try. */
export interface ChosenDecoding {
  readonly decoding: Omit<DecodingOptions, 'prompts'>;
  readonly temperatures: readonly number[];
}

/**
 * @param target language of the output text
 * @throws UserError where a file that it names cannot be used
 */
export async function chosenDecoding(
  model: WhisperModel,
  choice: DecodingChoice,
  target: string,
): Promise<ChosenDecoding> {
  const { beams, patience, lengthPenalty, earlyStopping, bestOf, seed } = choice;
  const { noRepeatNgram, repetitionPenalty, maxTokens, experts } = choice;
  const { temperature, fallback, languageModel } = choice;
  const vocabulary = await chosenVocabulary(model, choice, target);
  return {
    decoding: {
      ...{ beams, patience, lengthPenalty, earlyStopping, bestOf, seed },
      ...{ noRepeatNgram, repetitionPenalty, maxTokens, experts },
      ...(vocabulary && { vocabulary }),
      ...(languageModel && (await fusion(model, languageModel, target, lengthPenalty))),
    },
    temperatures: temperature === undefined ? (fallback ? fallbackTemperatures : [0]) : [temperature].flat(),
  };
}

async function chosenVocabulary(
  model: WhisperModel,
  { targetVocabulary: source }: DecodingChoice,
  target: string,
): Promise<TargetVocabulary | undefined> {
  if (typeof source === 'object') return source;
  if (source !== undefined) return targetVocabulary(model, source);
  return sameLanguage(target, targetOf(model, undefined)) ? keptVocabulary(model) : undefined;
}

/** The language model in the search, or after it. */
async function fusion(
  model: WhisperModel,
  choice: LanguageModelChoice,
  target: string,
  lengthPenalty: number | undefined,
): Promise<Pick<DecodingOptions, 'filters' | 'rescoring'>> {
  const { model: source, rescore, language = target } = choice;
  const { alpha = defaultFusion.alpha, beta = defaultFusion.beta } = choice;
  const lm = typeof source === 'string' ? await readLanguageModel(source, model.runtime) : source;
  const scorer = sentenceScorer(lm, language);
  return rescore
    ? { rescoring: new NbestRescoring(scorer, { alpha, beta, lengthPenalty }) }
    : { filters: [new LanguageModelFusion(scorer, model.tokens, { alpha, beta, language })] };
}
