/**
 * Objectives of training. The training loop knows none by name: an objective builds its loss into the training graph,
 * and defines its feeds and the auxiliary weights that are trained with the model's. One may wrap another,
 * to add a term to its loss or to change its feeds.
 */
import type { HostTensor } from '../backend/runtime.ts';
import { sfc32 } from '../random.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { crossEntropyLoss, type LossBuilder } from '../whisper/training-graph.ts';
import type { Example } from './batches.ts';

export interface Objective {
  /** Builds the loss. Its metrics are reported with each step, in metrics.jsonl and in the report. */
  readonly loss: LossBuilder;
  /** Values for the inputs that `loss` declares; may also override inputs of the batch. */
  readonly feeds?: (
    moment: StepContext,
  ) => Readonly<Record<string, HostTensor>> | Promise<Readonly<Record<string, HostTensor>>>;
  /** Trained weights of `loss` itself, which are in checkpoints but not in the saved model. */
  readonly weights?: readonly AuxiliaryWeight[];
  /** Bytes beyond those of cross-entropy: for the whole run, and during a step on a batch of these sizes. */
  readonly memory?: (batch: StepSizes) => { readonly weights: number; readonly activations: number };
}

export interface StepSizes {
  readonly clips: number;
  readonly frames: number;
  readonly tokens: number;
  /** Predictions in the loss. */
  readonly rows: number;
  /** Output tokens. */
  readonly outputs: number;
}

/** A batch within a step. */
export interface StepContext {
  readonly examples: readonly Example[];
  /** The batch's inputs (batches.ts). */
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Counted from 1. */
  readonly step: number;
  readonly steps: number;
}

export interface AuxiliaryWeight {
  readonly name: string;
  readonly shape: readonly number[];
  /** @param random uniform 32-bit integers */
  readonly initial: (random: () => number) => Float32Array;
}

/** Mean cross-entropy. */
export const crossEntropy: Objective = { loss: crossEntropyLoss };

export function auxiliaryWeights({ weights = [] }: Objective): string[] {
  return weights.map(({ name }) => name);
}

/** Stores auxiliary weights beside the model's. */
export async function createAuxiliaryWeights(
  model: WhisperModel,
  { weights = [] }: Objective,
  seed: number,
): Promise<void> {
  const random = sfc32(seed);
  await model.runtime.store(
    weights.map(({ name, shape, initial }) => [name, { shape, data: initial(random) }]),
  );
}
