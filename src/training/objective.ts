/**
 * What a training run makes smaller. The training loop knows no objective by name: an objective builds its loss into the
 * training graph, says what to feed it, and which weights of its own are trained with the model's. One may wrap another,
 * to add a term to its loss or to change its feeds.
 */
import type { HostTensor } from '../backend/runtime.ts';
import { sfc32 } from '../random.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { crossEntropyLoss, type MakeLoss } from '../whisper/training-graph.ts';
import type { Example } from './batches.ts';

export interface Objective {
  /** Builds the loss. What it reports is told with each step, in metrics.jsonl and in the report. */
  readonly loss: MakeLoss;
  /** The inputs that `loss` declares, and inputs of the batch that are to be others. */
  readonly feeds?: (moment: StepContext) => Readonly<Record<string, HostTensor>>;
  /** Weights that `loss` asks for and that are trained: they are in checkpoints, and not in the saved model. */
  readonly weights?: readonly AuxiliaryWeight[];
  /** Bytes that it takes beside what cross-entropy takes: as long as the run, and in a step on a batch of these sizes. */
  readonly needs?: (batch: StepSizes) => { readonly weights: number; readonly activations: number };
}

export interface StepSizes {
  readonly clips: number;
  readonly frames: number;
  readonly tokens: number;
  /** Predictions that count. */
  readonly rows: number;
  /** What is chosen among. */
  readonly outputs: number;
}

/** A step, or a part of one. */
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

/** Puts them beside the model's. */
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
