/**
 * A worker's part in a training: it draws the same batches as the coordinator, and computes those that it is given. Runs in
 * the process that computes, with a connection of its own: gradients need not pass through the worker.
 */
import type { Redis } from 'ioredis';
import { UserError } from '../errors.ts';
import { differingSettings, type RunSettings } from '../training/checkpoints.ts';
import type { Recipe } from '../training/recipe.ts';
import { mapPaths } from '../training/recipe-keys.ts';
import { openBatches } from '../training/train-recipe.ts';
import type { TakePart } from './kinds.ts';
import { connect } from './redis.ts';
import { RUNS, type Run } from './run.ts';
import { aliveOf, numbersOf, type Task, tasksOf, tell, weightsOf } from './train-messages.ts';

/** Options of a run of kind "train". */
export interface TrainRunOptions {
  /** With the coordinator's absolute paths. */
  readonly recipe: Recipe;
  readonly settings: RunSettings;
}

/** How a worker's process takes part in a run that is not cut into shards. */
export interface Membership {
  readonly id: string;
  /** host:pid of the worker. */
  readonly name: string;
  /** Address of Redis. */
  readonly redis: string;
}

/** Without a task for so long a worker says again that it waits, and looks whether the training still runs. */
const WAIT_SECONDS = 3;
/** A Redis that was restarted knows no sign of life until the coordinator's next. */
const MISSED = 4;

/**
 * Takes part in a training until it ends.
 * @throws UserError where its batches would be others here
 */
export const computeBatches: TakePart = async (run, membership, { roots, model }) => {
  const { recipe, settings } = run.options as TrainRunOptions;
  const theirs = mapPaths(recipe, (path) => roots.here(path)) as Recipe;
  const batches = await openBatches({ ...theirs, model }, {});
  try {
    const difference = differingSettings(batches.settings, settings);
    if (difference)
      throw new UserError(
        `found ${difference.found} here; expected ${difference.expected}, as at the coordinator ${run.coordinator}`,
      );
    const cluster = await connect(membership.redis, { waits: true, onNote: () => {} });
    try {
      await answerTasks(cluster.redis, run, membership, async (step, place, weights) => {
        if (weights) await batches.setWeights(weights);
        const { unreadable, ...batch } = await batches.compute(step, place);
        return { ...batch, unreadable: unreadable.map(([i, reason]) => [i, roots.theirs(reason)] as const) };
      });
    } finally {
      await cluster.close();
    }
  } finally {
    await batches.close();
  }
};

type Compute = (
  step: number,
  place: number,
  weights: Float32Array | undefined,
) => ReturnType<Awaited<ReturnType<typeof openBatches>>['compute']>;

async function answerTasks(
  redis: Redis,
  { id, token }: Run,
  membership: Membership,
  compute: Compute,
): Promise<void> {
  const own = { from: membership.id, name: membership.name };
  /** Step of the weights. */
  let current = 0;
  await tell(redis, token, { ...own, type: 'waits' });
  for (let missed = 0; missed < MISSED; ) {
    const found = await redis.blpop(tasksOf(token, membership.id), WAIT_SECONDS);
    if (!found) {
      const [run, alive] = [await redis.hget(RUNS, id), await redis.exists(aliveOf(token))];
      // The same command began again, or nobody is there.
      if (run && (JSON.parse(run) as Run).token !== token) return;
      missed = run && alive ? 0 : missed + 1;
      await tell(redis, token, { ...own, type: 'waits' });
      continue;
    }
    missed = 0;
    const task = JSON.parse(found[1]) as Task;
    if (task.type === 'end') return;
    if (task.type === 'refused') throw new UserError(task.reason);
    const { step, place } = task;
    let weights: Float32Array | undefined;
    if (step !== current) {
      const stored = await redis.getBuffer(weightsOf(token));
      const read = stored ? numbersOf<{ step: number }>(stored) : undefined;
      if (read?.message.step !== step) {
        // The step is over.
        await tell(redis, token, { ...own, type: 'waits' });
        continue;
      }
      weights = read.values;
      current = step;
    }
    const { gradient, ...batch } = await compute(step, place, weights);
    await tell(redis, token, { ...own, type: 'batch', step, place, ...batch }, gradient);
  }
}
