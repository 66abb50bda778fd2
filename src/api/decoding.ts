/**
 * From encoder outputs to text: searches, fallback, language detection, language-model fusion, transcript formats.
 * @module decoding
 */
export {
  type Alternative,
  type Decoded,
  type DecodingOptions,
  decode,
  type SearchOptions,
} from '../decoding/decode.ts';
export { fallbackTemperatures } from '../decoding/decoding.ts';
export {
  type ChosenDecoding,
  chosenDecoding,
  type DecodingChoice,
  type LanguageModelChoice,
} from '../decoding/decoding-choice.ts';
export { type DetectedLanguage, detectLanguages } from '../decoding/detect-language.ts';
export {
  type DecodedWithFallback,
  decodeWithFallback,
  type FallbackOptions,
} from '../decoding/fallback.ts';
export type { SubtitleOptions } from '../decoding/formats/subtitles.ts';
export {
  formatTranscript,
  TRANSCRIPT_FORMATS,
  type TranscriptFormat,
} from '../decoding/formats/transcript-formats.ts';
export { type DecodedWindow, decodeWithRetry } from '../decoding/full-window-retry.ts';
export type { KeptWindow, WindowKey } from '../decoding/kept-window.ts';
export { type FusionOptions, LanguageModelFusion } from '../decoding/language-model-fusion.ts';
export { NbestRescoring } from '../decoding/nbest-rescoring.ts';
export type { WindowResult } from '../decoding/part-transcription.ts';
export {
  type ChosenPrompt,
  choosePrompt,
  type PromptChoice,
  type PromptOf,
} from '../decoding/prompt-choice.ts';
export type { CandidateFilter, Candidates, Hypothesis } from '../decoding/search.ts';
export type { SessionOptions } from '../decoding/session.ts';
export {
  type FileToTranscribe,
  type TranscribeFilesOptions,
  transcribeFiles,
} from '../decoding/transcribe-files.ts';
export type { AudioProgress, TranscribeOptions, TranslateOptions } from '../decoding/transcribe-options.ts';
export type {
  ChannelTranscript,
  FailedTranscript,
  LanguageSpan,
  Segment,
  Transcript,
  Word,
} from '../decoding/transcript.ts';
export {
  type TunedFusion,
  type TunedWeights,
  type TuneFusionOptions,
  tuneFusion,
  type Weights,
} from '../decoding/tune-fusion.ts';
export type { WindowFile } from '../decoding/window-file.ts';
export type { SpeakerTurn } from '../speakers/turns.ts';
export {
  type EncoderSilenceTail,
  type SilenceEncoding,
  type SilenceTail,
  SilenceTails,
  type TailSizes,
} from '../whisper/silence-tail.ts';
