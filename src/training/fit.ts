/** A small training loop for heads on stored features: AdamW, a learning rate that falls linearly to 0. */

import type { HostTensor, Runtime } from '../backend/runtime.ts';
import type { Graph } from '../graph/graph.ts';
import { sfc32, shuffle } from '../random.ts';
import { storeTrained, type TrainingState, trainingState } from './state.ts';

export interface FitOptions {
  readonly steps: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Falls linearly to 0 over the steps, or stays. */
  readonly schedule: 'linear' | 'constant';
  /** Go on after this state's step. Its arrays move to the computing thread. */
  readonly from?: TrainingState | undefined;
  /** Called after each step with its number, from 1; `state` copies what it takes to go on. 'stop' ends the loop there. */
  readonly onStep?: (
    step: number,
    loss: number,
    state: () => Promise<TrainingState>,
  ) => 'stop' | undefined | Promise<'stop' | undefined>;
}

/**
 * Changes the stored weights `names`. The graph has an output `loss` and their gradients; the program's other weights are
 * fed as they are.
 * @param feedsOf inputs of a step, counted from 1
 * @returns the losses of the steps made
 */
export async function fitWeights(
  runtime: Runtime,
  graph: Graph,
  names: readonly string[],
  feedsOf: (step: number) => Promise<Readonly<Record<string, HostTensor>>>,
  { steps, learningRate, weightDecay, schedule, from, onStep }: FitOptions,
): Promise<number[]> {
  if (from) await storeTrained(runtime, from);
  await runtime.createAdamW(names, from?.optimizer);
  const program = await runtime.load(graph, { builtIn: () => false });
  const losses: number[] = [];
  try {
    for (let step = (from?.step ?? 0) + 1; step <= steps; step++) {
      const { fetched } = await runtime.run(program, await feedsOf(step), { fetch: ['loss'] });
      const loss = (fetched.loss!.data as Float32Array)[0]!;
      losses.push(loss);
      await runtime.stepAdamW({
        learningRate: schedule === 'linear' ? (learningRate * (steps - step + 1)) / steps : learningRate,
        ...{ beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        weightDecay,
        clipNorm: Number.POSITIVE_INFINITY,
      });
      if ((await onStep?.(step, loss, () => trainingState(runtime, step, names))) === 'stop') break;
    }
  } finally {
    await runtime.unload(program);
    await runtime.releaseAdamW();
  }
  return losses;
}

/** Batches of indices below `count`, each index once before any comes again; smaller than `size` only where `count` is. */
export function* shuffledBatches(count: number, size: number, seed: number): Generator<number[], never> {
  const random = sfc32(seed);
  let pool: number[] = [];
  while (true) {
    const batch: number[] = [];
    while (batch.length < Math.min(size, count)) {
      if (pool.length === 0) pool = shuffle([...Array(count).keys()], random);
      batch.push(pool.pop()!);
    }
    yield batch;
  }
}
