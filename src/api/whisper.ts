/**
 * The model itself: loading, encoding, tokens, prompts, checkpoints.
 * @module whisper
 */
export { readAudio } from '../audio/audio-file.ts';
export {
  type Abortable,
  type AudioSource,
  readAudioSource,
  type SampledAudio,
} from '../audio/audio-source.ts';
export type { ReadEvents, ReadOptions, Span } from '../audio/decode-audio.ts';
export { logMel } from '../audio/log-mel.ts';
export { SAMPLE_RATE } from '../audio/sample-rate.ts';
export { type SpeechStretch, speechStretches } from '../audio/voice-activity.ts';
export type { DeviceChoice } from '../backend/device.ts';
export {
  type Checkpoint,
  readCheckpoint,
  type Weight,
  type WriteCheckpointOptions,
  writeCheckpoint,
} from '../checkpoint/checkpoint.ts';
export type { WhisperDimensions } from '../checkpoint/dimensions.ts';
export type { Json } from '../checkpoint/directory.ts';
export { embeddedModel } from '../checkpoint/embedded.ts';
export type { Compute, ModelProducts, PartForm } from '../whisper/compute.ts';
export type { OutputTokens } from '../whisper/decoder.ts';
export { type EncodedClip, frameValues, type WindowMode } from '../whisper/encoded-clip.ts';
export type { LanguageToken } from '../whisper/language-token.ts';
export { type EncodeOptions, type ModelOptions, WhisperModel } from '../whisper/model.ts';
export {
  PROMPT_KINDS,
  type PromptKind,
  promptOf,
  type TrainedPrompt,
  trainedPrompt,
} from '../whisper/prompts.ts';
export { type TargetVocabulary, vocabularyOf } from '../whisper/target-vocabulary.ts';
export { type FreePrompt, type Task, Tokens } from '../whisper/tokens.ts';
export type { ExpertPart, ExpertSet } from '../whisper/variant.ts';
