/**
 * The training loop under `train`: examples, options, steps, saving.
 * @module training
 */
export type { BatchSize, Example } from '../training/batches.ts';
export type { TrainingState } from '../training/checkpoints.ts';
export { defaultTraining, TUNED_PARTS, type TunedPart } from '../training/choices.ts';
export {
  type ClipAndSpeech,
  type DevExample,
  type EncodedExample,
  type ExampleOptions,
  translationExamples,
} from '../training/examples.ts';
export type { ExpertOptions } from '../training/experts.ts';
export type { Stop } from '../training/loop.ts';
export type { LoraOptions } from '../training/lora.ts';
export {
  type AuxiliaryWeight,
  crossEntropy,
  type Objective,
  type StepContext,
  type StepSizes,
} from '../training/objective.ts';
export type { Mixture, SamplingOptions } from '../training/sampling.ts';
export { saveModel } from '../training/save.ts';
export {
  type StepReport,
  type TrainingOptions,
  type TrainingProgress,
  trainDecoder,
} from '../training/train.ts';
export type { Tuning } from '../training/tuned-weights.ts';
export type { Lazy, ReadyClip } from '../whisper/lazy.ts';
export type { MelClip } from '../whisper/mel-batch.ts';
export type {
  DecoderOutputs,
  EncoderMemory,
  Loss,
  LossBuilder,
  Predictions,
} from '../whisper/training-graph.ts';
