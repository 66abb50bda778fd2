/** All that the steps of a training to come depend on, beside its data and options. */
import type { AdamWState } from '../backend/protocol.ts';
import type { HostTensor, Runtime } from '../backend/runtime.ts';

/** The batches follow from `step`. */
export interface TrainingState {
  /** Steps made, those that were skipped included. */
  readonly step: number;
  /** Names of the trained weights; the other lists are in this order. */
  readonly names: readonly string[];
  readonly weights: readonly HostTensor[];
  readonly optimizer: AdamWState;
}

/** A copy of the state after a step. */
export async function trainingState(
  runtime: Runtime,
  step: number,
  names: readonly string[],
): Promise<TrainingState> {
  return { step, names, weights: await runtime.read(names), optimizer: await runtime.adamWState() };
}

/** Puts trained weights back where they were. The state's arrays move to the computing thread. */
export function storeTrained(
  runtime: Runtime,
  { names, weights }: Pick<TrainingState, 'names' | 'weights'>,
): Promise<void> {
  return runtime.store(
    names.map((name, i) => [name, { shape: weights[i]!.shape, data: weights[i]!.data as Float32Array }]),
  );
}
