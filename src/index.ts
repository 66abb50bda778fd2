/**
 * Transcribe, translate, and train Whisper to write a new language: the API that most programs need. The parts below it
 * are in the subpaths: `whisper-transfer/whisper`, `/decoding`, `/training`, `/live`, `/retrieval`, `/metrics`, `/language-model`,
 * `/graph`.
 * @module whisper-transfer
 */
export type { AudioSource, SampledAudio } from './audio/audio-source.ts';
export type { Span } from './audio/decode-audio.ts';
export type { DatasetOptions } from './corpora/dataset.ts';
export type { Clip } from './data/clip.ts';
export { readManifest } from './data/manifest.ts';
export { type CorpusClip, writeManifest } from './data/manifest-write.ts';
export type { SearchOptions } from './decoding/decoding.ts';
export type { DecodingChoice, LanguageModelChoice } from './decoding/decoding-choice.ts';
export type { FallbackOptions } from './decoding/fallback.ts';
export type { PromptChoice } from './decoding/prompt-choice.ts';
export type { AudioProgress, TranscribeOptions, TranslateOptions } from './decoding/transcribe-options.ts';
export type { ChannelTranscript, Segment, Transcript, Word } from './decoding/transcript.ts';
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
export type { EvaluatedDecoding } from './evaluation/decoding.ts';
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluation/evaluate-manifest.ts';
export type { Prediction } from './evaluation/predictions.ts';
export type { EvaluatedModel, EvaluationResults, EvaluationRow } from './evaluation/results.ts';
export type { SystemOutput } from './evaluation/systems.ts';
export type { NamedTable } from './evaluation/tables.ts';
export type { Item, PromptName, Test } from './evaluation/tasks.ts';
export type { LanguageModel } from './language-model/model.ts';
export type { AnyLanguageModel } from './language-model/scorer.ts';
export type { Measured } from './metrics/measure.ts';
export type { MetricName } from './metrics/metrics.ts';
export { type ScoreOptions, type Scores, type ScoringOptions, score } from './metrics/score.ts';
export type { Machine } from './report/machine.ts';
export type { ProgressUnit, StageProgress, WorkOptions } from './report/progress.ts';
export type { RetrievalMethod } from './retrieval/methods.ts';
export type { ParallelClip, ParallelClips } from './retrieval/parallel-clips.ts';
export { type Retrieval, type RetrieveOptions, retrieve } from './retrieval/retrieve.ts';
export type {
  Estimate,
  LanguagePair,
  MethodResult,
  PairResult,
  SimilarityMatrix,
} from './retrieval/study.ts';
export type { SpeakerTurn } from './speakers/turns.ts';
export type { DevEvaluation } from './training/dev-evaluation.ts';
export type { MemoryEstimate } from './training/memory-estimate.ts';
export type { TrainingPlan } from './training/plan.ts';
export type { RecipeInput, RecipeSource, ShortRecipe } from './training/recipe-source.ts';
export type { StepReport } from './training/train.ts';
export { type TrainOptions, type TrainResult, train } from './training/train-recipe.ts';
export type { Compute } from './whisper/compute.ts';
export type { WindowMode } from './whisper/encoded-clip.ts';
export type { PromptKind } from './whisper/prompts.ts';
export { type QuantizeOptions, type QuantizeSummary, quantize } from './whisper/quantize.ts';
export type { TargetVocabulary } from './whisper/target-vocabulary.ts';
