/** The one training loop: steps of AdamW on the gradients of a graph's loss. */
import { type AdamWOptions, type HostTensor, type Runtime, reportOutput } from '../backend/runtime.ts';
import type { Graph } from '../graph/graph.ts';
import { type TrainingState, trainingState } from './checkpoints.ts';

/** Betas and epsilon of AdamW: PyTorch's own. */
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

export interface LoopBatch {
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Weight of its loss among the step's batches: its tokens. */
  readonly weight: number;
}

export interface LoopOptions extends Pick<AdamWOptions, 'weightDecay'> {
  /** With an output `loss`, gradients of the trained weights, and any number of metrics. */
  readonly graph: Graph;
  /** Names of the stored weights that are trained. */
  readonly trained: readonly string[];
  readonly steps: number;
  /** Learning rate of a step, counted from 1. */
  readonly learningRate: (step: number) => number;
  /** Largest L2 norm of all gradients together. Default: any. */
  readonly clipNorm?: number | undefined;
  /** Batches per step. Default: 1. */
  readonly accumulate?: number | undefined;
  /** Resume after this state's step, with its optimizer; its weights are stored already. */
  readonly from?: TrainingState | undefined;
  /** Called before the batches of each step. */
  readonly beforeStep?: (() => Promise<void>) | undefined;
  readonly batch: (step: number) => Promise<LoopBatch>;
  /** Called after each step, and waited for. 'stop' ends the loop there. */
  readonly onStep: (step: LoopStep, progress: LoopProgress) => Stop | Promise<Stop>;
}

export type Stop = 'stop' | undefined;

export interface LoopStep {
  /** Counted from 1. */
  readonly step: number;
  /** Mean over the step's batches, by weight. */
  readonly loss: number;
  /** The graph's metrics, likewise; undefined where it has none. */
  readonly terms?: Readonly<Record<string, number>>;
  readonly learningRate: number;
  /** L2 norm of all gradients together, before clipping. */
  readonly gradientNorm: number;
  /** Whether loss or gradient norm was not finite, so that the step changed nothing. */
  readonly skipped: boolean;
  readonly seconds: number;
}

export interface LoopProgress {
  /** A copy of the state after this step. */
  readonly state: () => Promise<TrainingState>;
  /** Runs other work on the model between steps, with the memory of steps freed. */
  readonly paused: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Rises linearly to `learningRate`, then falls linearly to 0. */
export function scheduledRate(
  step: number,
  { steps, learningRate, warmupSteps }: { steps: number; learningRate: number; warmupSteps: number },
): number {
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  return (learningRate * (steps - step + 1)) / Math.max(1, steps - warmupSteps);
}

/** Trains the stored weights `trained`; the program's other weights are frozen. */
export async function trainingLoop(runtime: Runtime, options: LoopOptions): Promise<void> {
  const { graph, trained, steps, from, weightDecay, batch, beforeStep } = options;
  const { clipNorm = Number.POSITIVE_INFINITY, accumulate = 1 } = options;
  await runtime.createAdamW(trained, from?.optimizer, accumulate > 1);
  const load = () => runtime.load(graph, { builtIn: () => false });
  let program = await load();
  const metrics = program.outputs.filter((name) => name.startsWith(reportOutput('')));
  try {
    for (let step = (from?.step ?? 0) + 1; step <= steps; step++) {
      const started = performance.now();
      await beforeStep?.();
      const parts: { weight: number; values: number[] }[] = [];
      for (let k = 0; k < accumulate; k++) {
        const { feeds, weight } = await batch(step);
        const { fetched } = await runtime.run(program, feeds, { fetch: ['loss', ...metrics] });
        // The step's loss is the mean over all its tokens, so a batch is weighted by its tokens.
        if (accumulate > 1) await runtime.accumulateGradients(weight, k === 0);
        const values = ['loss', ...metrics].map((name) => (fetched[name]!.data as Float32Array)[0]!);
        parts.push({ weight, values });
      }
      const total = parts.reduce((sum, part) => sum + part.weight, 0);
      const [loss, ...terms] = parts[0]!.values.map(
        (_, i) => parts.reduce((sum, part) => sum + part.weight * part.values[i]!, 0) / total,
      ) as [number, ...number[]];
      const learningRate = options.learningRate(step);
      const gradientNorm = Number.isFinite(loss)
        ? await runtime.stepAdamW({ ...ADAMW, learningRate, weightDecay, clipNorm })
        : Number.NaN;
      const report: LoopStep = {
        step,
        loss,
        ...(metrics.length > 0 && {
          terms: Object.fromEntries(
            metrics.map((name, i) => [name.slice(reportOutput('').length), terms[i]!]),
          ),
        }),
        learningRate,
        gradientNorm,
        skipped: !Number.isFinite(loss) || !Number.isFinite(gradientNorm),
        seconds: (performance.now() - started) / 1000,
      };
      const state = () => trainingState(runtime, step, trained);
      const paused = async <T>(work: () => Promise<T>): Promise<T> => {
        await runtime.unload(program);
        try {
          return await work();
        } finally {
          program = await load();
        }
      };
      if ((await options.onStep(report, { state, paused })) === 'stop') break;
    }
  } finally {
    await runtime.unload(program);
    await runtime.releaseAdamW();
  }
}
