/** Decoding settings of an evaluation, and the record of them that predictions are compared by. */
import { defaultFusion } from '../decoding/decoding.ts';
import type { DecodingChoice, LanguageModelChoice } from '../decoding/decoding-choice.ts';
import { fingerprintOfPath } from '../files/fingerprint.ts';
import { cannotOpen } from '../files/read.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { Decoding } from './predict.ts';

/** Decoding options with vocabularies and language models as files, so that results can name them. */
export interface EvaluatedDecoding extends Omit<DecodingChoice, 'targetVocabulary' | 'languageModel'> {
  readonly targetVocabulary?: string | true | undefined;
  readonly languageModel?: (Omit<LanguageModelChoice, 'model'> & { readonly model: string }) | undefined;
}

/**
 * Decoding options and their record. The record is compared with those of earlier predictions as text: its names, order
 * and defaults must stay.
 * @param written language of the output
 */
export async function evaluatedDecoding(
  choice: EvaluatedDecoding,
  window: WindowMode,
  written: string,
): Promise<Decoding> {
  const { temperature, fallback, earlyStopping, targetVocabulary, languageModel } = choice;
  const files = [languageModel?.model, targetVocabulary].filter((file) => typeof file === 'string');
  const settings = {
    window,
    // Texts that loop or do not end are decoded again in the full window.
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
    ...(files.length > 0 && { filesSha256: (await Promise.all(files.map(sha256))).join() }),
  };
  return { settings, choice, written };
}

function languageModelSettings({
  model,
  language,
  rescore,
  alpha = defaultFusion.alpha,
  beta = defaultFusion.beta,
}: NonNullable<EvaluatedDecoding['languageModel']>) {
  return {
    lm: model,
    ...(language && { lmLanguage: language }),
    ...(rescore && { lmRescore: true }),
    alpha,
    beta,
  };
}

/** Of a language model's folder; files of external data are known by their size. */
const isPartOfModel = (file: string): boolean => /\.(json|onnx)$/.test(file);

async function sha256(file: string): Promise<string> {
  try {
    return await fingerprintOfPath(file, isPartOfModel, 16);
  } catch (error) {
    throw cannotOpen(file, error, 'a file');
  }
}
