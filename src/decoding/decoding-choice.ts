/** What a user chooses about decoding, and what it becomes for a model: the files it names are read. */
import { readArpa } from '../language-model/arpa-read.ts';
import type { LanguageModel } from '../language-model/model.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type TargetVocabulary, targetVocabulary } from '../whisper/target-vocabulary.ts';
import type { DecodingOptions, SearchOptions } from './decoding.ts';
import { fallbackTemperatures } from './decoding.ts';
import { LanguageModelFusion } from './language-model-fusion.ts';

export interface DecodingChoice extends SearchOptions {
  /**
   * 0: the likeliest tokens, or beams; above, tokens are drawn by chance. A list is tried one after the other until the
   * text neither repeats itself nor is unlikely. Default 0.
   */
  readonly temperature?: number | readonly number[] | undefined;
  /** The same as OpenAI's temperatures: [0, 0.2, 0.4, 0.6, 0.8, 1]. Default false. */
  readonly fallback?: boolean | undefined;
  /**
   * The decoder writes only tokens that occur in this text file, or, where true, those kept with the model. Default: all.
   */
  readonly targetVocabulary?: string | true | TargetVocabulary | undefined;
  /** An n-gram language model that has a say in the search. Default: none. */
  readonly languageModel?: LanguageModelChoice | undefined;
}

export interface LanguageModelChoice {
  /** An ARPA file, read at each call, or what `readArpa` made of one. */
  readonly model: string | LanguageModel;
  /** Its weight. Default 0.3. */
  readonly alpha?: number | undefined;
  /** What each word adds; it makes up for the language model's liking of short texts. Default 0.3. */
  readonly beta?: number | undefined;
  /** Language of the text that it was trained on. Default: the language that is written. */
  readonly language?: string | undefined;
}

/** How a model decodes: `decode`'s options but for prompts, and the temperatures to try. */
export interface ChosenDecoding {
  readonly decoding: Omit<DecodingOptions, 'prompts'>;
  readonly temperatures: readonly number[];
}

/**
 * @param target the language of the text that is written
 * @throws UserError where a file that the choice names cannot be used
 */
export async function chosenDecoding(
  model: WhisperModel,
  choice: DecodingChoice,
  target: string,
): Promise<ChosenDecoding> {
  const { beams, patience, lengthPenalty, earlyStopping, bestOf, seed } = choice;
  const { noRepeatNgram, repetitionPenalty, maxTokens, experts } = choice;
  const { temperature, fallback, targetVocabulary: source, languageModel } = choice;
  const vocabulary = typeof source === 'object' ? source : await targetVocabulary(model, source);
  return {
    decoding: {
      ...{ beams, patience, lengthPenalty, earlyStopping, bestOf, seed },
      ...{ noRepeatNgram, repetitionPenalty, maxTokens, experts },
      ...(vocabulary && { vocabulary }),
      ...(languageModel && { filters: [await fusion(model, languageModel, target)] }),
    },
    temperatures: temperature === undefined ? (fallback ? fallbackTemperatures : [0]) : [temperature].flat(),
  };
}

async function fusion(
  model: WhisperModel,
  { model: source, alpha = 0.3, beta = 0.3, language }: LanguageModelChoice,
  target: string,
): Promise<LanguageModelFusion> {
  const lm = typeof source === 'string' ? await readArpa(source) : source;
  return new LanguageModelFusion(lm, model.tokens, { alpha, beta, language: language ?? target });
}
