/**
 * The training loop under `train`: examples, options, steps, saving.
 * @packageDocumentation
 */
export type { Example } from '../training/batches.ts';
export { type EncodedExample, translationExamples } from '../training/examples.ts';
export { crossEntropy, type Objective } from '../training/objective.ts';
export { saveModel } from '../training/save.ts';
export {
  defaultTraining,
  type StepReport,
  type TrainingOptions,
  type TrainingProgress,
  trainDecoder,
} from '../training/train.ts';
export type { TunedPart, Tuning } from '../training/tuned-weights.ts';
