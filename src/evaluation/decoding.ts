/** How the models of an evaluation decode, and what of it their answers depend on. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  chosenDecoding,
  type DecodingChoice,
  type LanguageModelChoice,
} from '../decoding/decoding-choice.ts';
import { UserError } from '../errors.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { Decoding } from './predict.ts';

/** Vocabularies and language models are files, so that results can name them. */
export interface EvaluatedDecoding extends Omit<DecodingChoice, 'targetVocabulary' | 'languageModel'> {
  readonly targetVocabulary?: string | true | undefined;
  readonly languageModel?: (Omit<LanguageModelChoice, 'model'> & { readonly model: string }) | undefined;
}

/**
 * Settings are compared with those of earlier predictions as text: their names, order and defaults must stay.
 * @param written language of the text that is made
 */
export function evaluatedDecoding(choice: EvaluatedDecoding, window: WindowMode, written: string): Decoding {
  const { temperature, fallback, earlyStopping, targetVocabulary, languageModel } = choice;
  const files = [languageModel?.model, targetVocabulary].filter((file) => typeof file === 'string');
  const settings = {
    window,
    // Texts that loop or do not end are read again in the full window.
    ...(window === 'fit' && { again: 'full' }),
    beam: choice.beams ?? 1,
    patience: choice.patience ?? 1,
    lengthPenalty: choice.lengthPenalty ?? 1,
    ...(earlyStopping !== undefined && { earlyStopping }),
    ...(temperature !== undefined && { temperature: [temperature].flat().join() }),
    ...(fallback && { fallback }),
    bestOf: choice.bestOf ?? 5,
    seed: choice.seed ?? 1,
    noRepeatNgram: choice.noRepeatNgram ?? 0,
    repetitionPenalty: choice.repetitionPenalty ?? 1,
    maxTokens: choice.maxTokens ?? 224,
    ...(targetVocabulary && { targetVocabulary }),
    ...(choice.experts === false && { experts: 'off' }),
    ...(languageModel && languageModelSettings(languageModel)),
    // A file that was changed under its old name is another setting.
    ...(files.length > 0 && { filesSha256: files.map(sha256).join() }),
  };
  return { settings, of: (model) => chosenDecoding(model, choice, written) };
}

function languageModelSettings({
  model,
  language,
  alpha = 0.3,
  beta = 0.3,
}: NonNullable<EvaluatedDecoding['languageModel']>) {
  return { lm: model, ...(language && { lmLanguage: language }), alpha, beta };
}

function sha256(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
  } catch (error) {
    throw new UserError(
      `${file}: cannot be read (${(error as NodeJS.ErrnoException).code}); expected a file`,
    );
  }
}
