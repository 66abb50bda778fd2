/** Reads the JSON files of a Whisper directory, and fills in what older fine-tuned models lack. */
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import type { WhisperDimensions } from './dimensions.ts';
import { type Json, readJsonIfPresent } from './directory.ts';
import type { TokenizerFiles } from './tokenizer-files.ts';

/** Vocabulary of the English-only models: one special token fewer, and no language tokens to prompt with. */
const ENGLISH_ONLY_VOCABULARY = 51_864;

/** config.json's field, ours, and a bound far above large-v3 (1280 wide) that keeps hostile values harmless. */
const FIELDS = [
  ['num_mel_bins', 'melBins', 1024],
  ['max_source_positions', 'audioPositions', 100_000],
  ['max_target_positions', 'textPositions', 100_000],
  ['d_model', 'width', 65_536],
  ['encoder_layers', 'encoderLayers', 1024],
  ['encoder_attention_heads', 'encoderHeads', 1024],
  ['encoder_ffn_dim', 'encoderFfn', 1_000_000],
  ['decoder_layers', 'decoderLayers', 1024],
  ['decoder_attention_heads', 'decoderHeads', 1024],
  ['decoder_ffn_dim', 'decoderFfn', 1_000_000],
  ['vocab_size', 'vocabulary', 10_000_000],
] as const satisfies readonly (readonly [string, keyof WhisperDimensions, number])[];

/** @throws UserError naming the field, for a model that is not a multilingual Whisper */
export function dimensionsFromConfig(config: Json, file = 'config.json'): WhisperDimensions {
  if (config.model_type !== 'whisper') {
    throw new UserError(`${file}: model_type is ${brief(config.model_type)}, expected "whisper"`);
  }
  const dimensions: Partial<Record<keyof WhisperDimensions, number>> = {};
  for (const [field, name, most] of FIELDS) {
    const value = config[field];
    if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > most) {
      throw new UserError(`${file}: ${field} is ${brief(value)}, expected a whole number from 1 to ${most}`);
    }
    dimensions[name] = value as number;
  }
  const complete = dimensions as WhisperDimensions;
  if (complete.vocabulary === ENGLISH_ONLY_VOCABULARY) {
    throw new UserError(
      `${file}: an English-only model (vocab_size ${ENGLISH_ONLY_VOCABULARY}): it has no language tokens, ` +
        'use the model of the same size without ".en"',
    );
  }
  for (const [heads, field] of [
    [complete.encoderHeads, 'encoder_attention_heads'],
    [complete.decoderHeads, 'decoder_attention_heads'],
  ] as const) {
    if (complete.width % heads !== 0) {
      throw new UserError(`${file}: d_model ${complete.width} is not a multiple of ${field} ${heads}`);
    }
  }
  if ((config.activation_function ?? 'gelu') !== 'gelu') {
    throw new UserError(
      `${file}: activation_function is ${brief(config.activation_function)}, expected "gelu"`,
    );
  }
  if (config.scale_embedding === true) {
    throw new UserError(`${file}: scale_embedding is true, expected false as in every published Whisper`);
  }
  return complete;
}

/**
 * generation_config.json. Models fine-tuned with old tools lack it, or its maps of languages and tasks: those
 * are then derived from the tokenizer's special tokens.
 */
export async function readGenerationConfig(
  directory: string,
  config: Json,
  dimensions: WhisperDimensions,
  { file: tokenizerFile, tokenizer }: TokenizerFiles,
): Promise<Json> {
  const file = join(directory, 'generation_config.json');
  const present = await readJsonIfPresent(file);
  if (present?.is_multilingual === false) {
    throw new UserError(
      `${file}: an English-only model (is_multilingual is false): it has no language tokens, ` +
        'use the model of the same size without ".en"',
    );
  }
  if (isMap(present?.lang_to_id) && isMap(present.task_to_id)) return present;

  const ids = new Map<string, number>();
  for (const token of Array.isArray(tokenizer.added_tokens) ? tokenizer.added_tokens : []) {
    if (typeof token?.content === 'string' && Number.isInteger(token.id)) ids.set(token.content, token.id);
  }
  const idOf = (token: string): number => {
    const id = ids.get(token);
    if (id === undefined) {
      const gap = present === undefined ? `is missing` : 'lacks lang_to_id or task_to_id';
      throw new UserError(`${file} ${gap}, and ${tokenizerFile} has no ${token} to fill it in from`);
    }
    return id;
  };
  const endOfText = idOf('<|endoftext|>');
  const derived: Json = {
    is_multilingual: true,
    decoder_start_token_id: idOf('<|startoftranscript|>'),
    bos_token_id: endOfText,
    eos_token_id: endOfText,
    pad_token_id: endOfText,
    no_timestamps_token_id: idOf('<|notimestamps|>'),
    prev_sot_token_id: idOf('<|startofprev|>'),
    task_to_id: { transcribe: idOf('<|transcribe|>'), translate: idOf('<|translate|>') },
    lang_to_id: Object.fromEntries([...ids].filter(([token]) => /^<\|[a-z]{2,3}\|>$/.test(token))),
    // Old tools kept these in config.json. 220 is the token of a lone space.
    suppress_tokens: config.suppress_tokens ?? [],
    begin_suppress_tokens: config.begin_suppress_tokens ?? [220, endOfText],
    max_initial_timestamp_index: 50,
    max_length: dimensions.textPositions,
    return_timestamps: false,
  };
  const stated = Object.entries(present ?? {}).filter(([, value]) => value !== null);
  return { ...derived, ...Object.fromEntries(stated) };
}

const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/**
 * preprocessor_config.json, or processor_config.json as transformers 5 writes it, or Whisper's own
 * values, which are the same for all its sizes but for the mel bins.
 */
export async function readPreprocessorConfig(
  directory: string,
  dimensions: WhisperDimensions,
): Promise<Json> {
  const file = join(directory, 'preprocessor_config.json');
  let found = await readJsonIfPresent(file);
  if (found === undefined) {
    const processor = await readJsonIfPresent(join(directory, 'processor_config.json'));
    found = processor?.feature_extractor as Json | undefined;
  }
  if (found === undefined) {
    return {
      feature_extractor_type: 'WhisperFeatureExtractor',
      processor_class: 'WhisperProcessor',
      feature_size: dimensions.melBins,
      sampling_rate: 16_000,
      hop_length: 160,
      chunk_length: 30,
      n_fft: 400,
      n_samples: 480_000,
      nb_max_frames: 3000,
      padding_side: 'right',
      padding_value: 0.0,
      return_attention_mask: false,
    };
  }
  if (found.feature_size !== undefined && found.feature_size !== dimensions.melBins) {
    throw new UserError(
      `${file}: feature_size is ${brief(found.feature_size)}, but config.json's num_mel_bins ${dimensions.melBins}`,
    );
  }
  return found;
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
