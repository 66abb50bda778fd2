/** Choices and defaults of a training: apart from the code that trains, so that help and checks load none of it. */
import type { LoraOptions } from './lora.ts';
import type { TrainingOptions } from './train.ts';

export const TUNED_PARTS = ['decoder', 'cross-attention', 'encoder', 'all'] as const;
/** `cross-attention`: the decoder's attention to the audio, with the layer norm before it. */
export type TunedPart = (typeof TUNED_PARTS)[number];

export const LORA_PROJECTIONS = ['q_proj', 'k_proj', 'v_proj', 'out_proj', 'fc1', 'fc2'] as const;
export type LoraProjection = (typeof LORA_PROJECTIONS)[number];

/** Values of PEFT's example for Whisper. */
export const defaultLora: LoraOptions = { rank: 32, alpha: 64, projections: ['q_proj', 'v_proj'] };

/** Metrics that can choose the best evaluation. Loss is the steadiest: BLEU and chrF of a few dozen clips are noisy. */
export const BEST_BY = ['loss', 'bleu', 'chrf'] as const;
export type BestBy = (typeof BEST_BY)[number];

export const defaultTraining: Omit<TrainingOptions, 'steps'> = {
  batchSize: 16,
  learningRate: 7e-5,
  warmupSteps: 20,
  weightDecay: 0.01,
  clipNorm: 1,
  seed: 1,
  part: 'decoder',
  embedding: 'frozen',
};
