/** The one training loop: steps of AdamW on the gradients of a graph's loss. */
import { joinSamples } from '../audio/join-samples.ts';
import {
  type AdamWOptions,
  type HostTensor,
  type Program,
  type Runtime,
  reportOutput,
} from '../backend/runtime.ts';
import type { Graph } from '../graph/graph.ts';
import { type TrainingState, trainingState } from './checkpoints.ts';

/** Betas and epsilon of AdamW: PyTorch's own. */
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

export interface LoopBatch {
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Weight of its loss among the step's batches: its tokens. */
  readonly weight: number;
}

/** What a batch gives to its step. */
export interface BatchGradient {
  /** Its weight among the step's batches. */
  readonly weight: number;
  /** Loss and metrics, in the order of the graph's outputs. */
  readonly scalars: readonly number[];
  /** Of the trained weights, one after another. Default: that of the last run here. */
  readonly gradient?: Float32Array | undefined;
}

/** The part of a step that is computed here. */
export interface StepHere {
  /**
   * Computes a batch by its place in the step, counted from 0.
   * @param next place of the one that is computed here next; one beyond the last is the next step's first. Default: the one after it
   */
  readonly compute: (place: number, next?: number) => Promise<BatchGradient>;
  /** A copy of the gradient of the last. */
  readonly gradient: () => Promise<Float32Array>;
  /** A copy of the trained weights, one after another. */
  readonly weights: () => Promise<Float32Array>;
}

/** Gives the batches of a step in their order, each computed here or elsewhere. */
export type StepBatches = (step: number, here: StepHere) => AsyncIterable<BatchGradient>;

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
  /**
   * Whether `state` or `paused` is needed after a step. On a device steps between two such run together. Default: after each.
   */
  readonly pausesAfter?: ((step: number) => boolean) | undefined;
  /** Called before the batches of each step. */
  readonly beforeStep?: (() => Promise<void>) | undefined;
  /**
   * @param place among the step's batches, counted from 0
   * @param next place of the one that is asked for next; one beyond the last is the next step's first
   */
  readonly batch: (step: number, place: number, next: number) => Promise<LoopBatch>;
  /** Where batches of a step are computed, on the CPU with several batches per step. Default: all here. */
  readonly batches?: StepBatches | undefined;
  /** Called after each step, and waited for. 'stop' ends the loop there, or after the steps that ran together with it. */
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
  /** Whether the weights are those after this step: of steps that ran together, after the last. Otherwise no other call is right. */
  readonly isCurrent: boolean;
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

/** What a step computed. */
interface StepResult
  extends Pick<LoopStep, 'loss' | 'learningRate' | 'gradientNorm' | 'skipped' | 'seconds'> {
  /** The metrics, in the order of the graph's outputs. */
  readonly terms: readonly number[];
}

/** Where steps are computed: one after another with AdamW beside the graph, or several together on a device. */
interface Steps {
  /** Computes a step, and as many of those after it as run together with it. */
  readonly run: (step: number) => Promise<readonly StepResult[]>;
  /** Frees the memory of steps between two of them; the next builds it again. */
  readonly unload: () => Promise<void>;
  readonly release: () => Promise<void>;
}

/** Trains the stored weights `trained`; the program's other weights are frozen. */
export async function trainingLoop(runtime: Runtime, options: LoopOptions): Promise<void> {
  const { graph, trained, from } = options;
  const steps = await (runtime.device === 'cpu' ? hostSteps : deviceSteps)(runtime, options);
  const names = metricsOf(graph).map((name) => name.slice(reportOutput('').length));
  try {
    let stopped = false;
    for (let step = (from?.step ?? 0) + 1; step <= options.steps && !stopped; ) {
      const results = await steps.run(step);
      for (const [i, { terms, ...result }] of results.entries()) {
        const report: LoopStep = {
          step,
          ...result,
          ...(names.length > 0 && { terms: Object.fromEntries(names.map((name, k) => [name, terms[k]!])) }),
        };
        const at = step++;
        const progress: LoopProgress = {
          isCurrent: i === results.length - 1,
          state: () => trainingState(runtime, at, trained),
          paused: async (work) => {
            await steps.unload();
            return work();
          },
        };
        if ((await options.onStep(report, progress)) === 'stop') stopped = true;
      }
    }
  } finally {
    await steps.release();
  }
}

function metricsOf(graph: Graph): string[] {
  return [...graph.outputs.keys()].filter((name) => name.startsWith(reportOutput('')));
}

/** The mean of batches' values, by their weights. */
function weightedMean(batches: readonly { weight: number }[], at: (batch: number) => number): number {
  const total = batches.reduce((sum, { weight }) => sum + weight, 0);
  return batches.reduce((sum, { weight }, i) => sum + weight * at(i), 0) / total;
}

/** Computes single batches beside the optimizer, which holds weights and gradients. */
export class HostBatches {
  readonly #scalars: readonly string[];
  #program: Program | undefined;

  constructor(
    private readonly runtime: Runtime,
    private readonly graph: Graph,
    private readonly trained: readonly string[],
  ) {
    this.#scalars = ['loss', ...metricsOf(graph)];
  }

  async load(): Promise<Program> {
    this.#program ??= await this.runtime.load(this.graph, { builtIn: () => false });
    return this.#program;
  }

  async compute({ feeds, weight }: LoopBatch): Promise<BatchGradient> {
    const { fetched } = await this.runtime.run(await this.load(), feeds, { fetch: this.#scalars });
    return { weight, scalars: this.#scalars.map((name) => (fetched[name]!.data as Float32Array)[0]!) };
  }

  /** A copy of the gradient of the last batch. */
  gradient(): Promise<Float32Array> {
    return this.runtime.gradients();
  }

  /** A copy of the trained weights, one after another. */
  async weights(): Promise<Float32Array> {
    const weights = await this.runtime.read(this.trained);
    return joinSamples(weights.map(({ data }) => data as Float32Array));
  }

  /** Sets the trained weights. */
  async setWeights(values: Float32Array): Promise<void> {
    let at = 0;
    const weights = this.trained.map((name) => {
      const shape = this.graph.parameters.get(name)!.shape as number[];
      const count = shape.reduce((a, b) => a * b, 1);
      at += count;
      return [name, { shape, data: values.slice(at - count, at) }] as const;
    });
    await this.runtime.store(weights);
  }

  async unload(): Promise<void> {
    if (this.#program) await this.runtime.unload(this.#program);
    this.#program = undefined;
  }
}

async function hostSteps(runtime: Runtime, options: LoopOptions): Promise<Steps> {
  const { graph, trained, from, weightDecay, clipNorm = Number.POSITIVE_INFINITY, accumulate = 1 } = options;
  await runtime.createAdamW(trained, from?.optimizer, accumulate > 1);
  const host = new HostBatches(runtime, graph, trained);
  const batchesOf = options.batches ?? allHere(accumulate);
  return {
    run: async (step) => {
      await host.load();
      const started = performance.now();
      await options.beforeStep?.();
      const batches: BatchGradient[] = [];
      const here: StepHere = {
        compute: async (place, next = place + 1) => host.compute(await options.batch(step, place, next)),
        gradient: () => host.gradient(),
        weights: () => host.weights(),
      };
      for await (const { gradient, ...batch } of batchesOf(step, here)) {
        // The step's loss is the mean over all its tokens, so a batch is weighted by its tokens.
        if (accumulate > 1) await runtime.accumulateGradients(batch.weight, batches.length === 0, gradient);
        batches.push(batch);
      }
      const [loss, ...terms] = batches[0]!.scalars.map((_, i) =>
        weightedMean(batches, (k) => batches[k]!.scalars[i]!),
      );
      const learningRate = options.learningRate(step);
      const gradientNorm = Number.isFinite(loss)
        ? await runtime.stepAdamW({ ...ADAMW, learningRate, weightDecay, clipNorm })
        : Number.NaN;
      const skipped = !Number.isFinite(loss) || !Number.isFinite(gradientNorm);
      const seconds = (performance.now() - started) / 1000;
      return [{ loss: loss!, terms, learningRate, gradientNorm, skipped, seconds }];
    },
    unload: () => host.unload(),
    release: async () => {
      await host.unload();
      await runtime.releaseAdamW();
    },
  };
}

function allHere(accumulate: number): StepBatches {
  return async function* (_, here) {
    for (let place = 0; place < accumulate; place++) yield here.compute(place);
  };
}

/** A run on a device should take so long, as the state's way there and back costs up to seconds; then it is at most so large. */
const RUN_SECONDS = 8;
const RUN_BYTES = 512e6;

async function deviceSteps(runtime: Runtime, options: LoopOptions): Promise<Steps> {
  const { graph, trained, from, weightDecay, clipNorm = Number.POSITIVE_INFINITY, accumulate = 1 } = options;
  const device = await runtime.deviceSteps(graph, trained, {
    ...ADAMW,
    clipNorm,
    accumulates: accumulate > 1,
    state: from?.optimizer,
  });
  const metrics = metricsOf(graph);
  /** Steps of the next run: twice as many as of the last, while runs are short. */
  let count = 1;
  const prepared = async (first: number): Promise<LoopBatch[][]> => {
    const steps: LoopBatch[][] = [];
    let bytes = 0;
    for (let step = first; step <= options.steps && steps.length < count && bytes < RUN_BYTES; step++) {
      await options.beforeStep?.();
      const batches: LoopBatch[] = [];
      for (let k = 0; k < accumulate; k++) batches.push(await options.batch(step, k, k + 1));
      steps.push(batches);
      for (const { feeds } of batches) for (const { data } of Object.values(feeds)) bytes += data.byteLength;
      if (options.pausesAfter?.(step) ?? true) break;
    }
    return steps;
  };
  return {
    run: async (first) => {
      const started = performance.now();
      const steps = await prepared(first);
      const found = await device.run(
        steps.flatMap((batches, i) => {
          const total = batches.reduce((sum, { weight }) => sum + weight, 0);
          return batches.map(({ feeds, weight }, k) => ({
            feeds,
            ...{ weightDecay, learningRate: options.learningRate(first + i), share: weight / total },
            ...{ first: k === 0, last: k === batches.length - 1 },
          }));
        }),
      );
      const seconds = (performance.now() - started) / 1000;
      if (seconds < RUN_SECONDS / 2) count *= 2;
      return steps.map((batches, i) => {
        const mean = (name: string) => weightedMean(batches, (k) => found[name]![i * accumulate + k]!);
        const last = (i + 1) * accumulate - 1;
        return {
          loss: mean('loss'),
          terms: metrics.map(mean),
          learningRate: options.learningRate(first + i),
          gradientNorm: found.norm![last]!,
          skipped: found.taken![last] === 0,
          seconds: seconds / steps.length,
        };
      });
    },
    unload: device.unload,
    release: device.release,
  };
}
