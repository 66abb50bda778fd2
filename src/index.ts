/** The library's public face. */

export { type Decoded, type DecodingOptions, decode } from './decoding/decode.ts';
export { detectLanguages } from './decoding/detect-language.ts';
export { decodeWithFallback, fallbackTemperatures } from './decoding/fallback.ts';
export { LanguageModelFusion } from './decoding/language-model-fusion.ts';
export { transcribeFiles } from './decoding/transcribe-files.ts';
export type { TranscribeOptions } from './decoding/transcribe-options.ts';
export type { FailedTranscript, Segment, Transcript, Word } from './decoding/transcript.ts';
export { UserError } from './errors.ts';
export { corpusBleu } from './evaluation/bleu.ts';
export { corpusChrf } from './evaluation/chrf.ts';
export { translationScores } from './evaluation/translation-scores.ts';
export { readArpa } from './language-model/arpa-read.ts';
export { formatTranscript } from './report/transcript-formats.ts';
export { meanPoolMatrix } from './retrieval/mean-pool.ts';
export { recall } from './retrieval/recall.ts';
export { seqSimMatrix } from './retrieval/seq-sim.ts';
export { readAudio } from './speech/audio-file.ts';
export { encodeFiles } from './speech/encoder-cache.ts';
export { type Clip, readManifest } from './speech/manifest.ts';
export { translationExamples } from './training/examples.ts';
export { saveModel } from './training/save.ts';
export { defaultTraining, type TrainingOptions, trainDecoder } from './training/train.ts';
export { type EncodedClip, WhisperModel, type Window } from './whisper/model.ts';
export { PROMPT_KINDS, promptOf } from './whisper/prompts.ts';
export { type TargetVocabulary, vocabularyOf } from './whisper/target-vocabulary.ts';
