/**
 * Transcribe, translate, and teach Whisper a new language to write: the parts that most programs need. What they are made
 * of is in the subpaths: `whisper-transfer/whisper`, `/decoding`, `/training`, `/retrieval`, `/metrics`, `/language-model`,
 * `/graph`.
 * @module whisper-transfer
 */
export type { AudioSource, SampledAudio } from './audio/audio-source.ts';
export type { Clip } from './data/clip.ts';
export { readManifest } from './data/manifest.ts';
export { type CorpusClip, writeManifest } from './data/manifest-write.ts';
export type { SearchOptions } from './decoding/decoding.ts';
export type { DecodingChoice, LanguageModelChoice } from './decoding/decoding-choice.ts';
export type { FallbackOptions } from './decoding/fallback.ts';
export type { PromptChoice } from './decoding/prompt-choice.ts';
export type { TranscribeOptions, TranslateOptions } from './decoding/transcribe-options.ts';
export type { Segment, Transcript, Word } from './decoding/transcript.ts';
export {
  type AudioOptions,
  type Embedding,
  type LanguageDetection,
  type ListOptions,
  type LoadOptions,
  type Recordings,
  Whisper,
} from './decoding/whisper.ts';
export { UserError } from './errors.ts';
export type { LanguageModel } from './language-model/model.ts';
export type { WindowMode } from './whisper/encoded-clip.ts';
export type { PromptKind } from './whisper/prompts.ts';
export type { TargetVocabulary } from './whisper/target-vocabulary.ts';
