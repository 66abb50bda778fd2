/**
 * Fine-tuning of Whisper: by default of its decoder on encoder outputs that were computed once. The encoder, and with it
 * the space that all languages share, then stays as it is (Ma et al. 2024, "Cross-lingual Transfer Learning for Speech
 * Translation"). What else can be tuned: tuned-weights.ts.
 */
import { reportOutput } from '../backend/runtime.ts';
import { LANGUAGE_ROW } from '../whisper/decoder.ts';
import { createLanguageRow } from '../whisper/language-token.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';
import { type BatchSize, type Example, sizeOfAll } from './batches.ts';
import { createExperts, withGates } from './experts.ts';
import { createLora } from './lora.ts';
import { auxiliaryWeights, createAuxiliaryWeights, crossEntropy, type Objective } from './objective.ts';
import { PreparedBatches } from './prepared-batches.ts';
import { scaledWeights } from './quantization.ts';
import type { SamplingOptions } from './sampling.ts';
import { storeTrained, type TrainingState, trainingState } from './state.ts';
import { type Tuning, tunedWeights, tunesEncoder, tuningAdapters, tuningGraph } from './tuned-weights.ts';

export interface TrainingOptions extends Tuning, SamplingOptions {
  readonly steps: number;
  /** Highest step size, reached after the warm-up; from there it falls linearly to 0. */
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly weightDecay: number;
  /** Largest L2 norm of all gradients together. */
  readonly clipNorm: number;
  /** The softmax is over these tokens only. */
  readonly vocabulary?: TargetVocabulary | undefined;
  /**
   * Gradients of so many batches are added up for one step, as if they were one batch: `batchSize` clips are then held at a
   * time, not all of a step. Default: 1.
   */
  readonly accumulate?: number | undefined;
  /** Activations are made again for the gradient: less memory, more time. */
  readonly recompute?: boolean | undefined;
  /** What is made smaller. Default: mean cross-entropy. */
  readonly objective?: Objective | undefined;
  /** Where an earlier run of the same examples and options was: it goes on as that one would have. */
  readonly from?: TrainingState;
  /** Called after each step, and waited for. Returning false ends the training there. */
  readonly onStep?: (report: StepReport, progress: TrainingProgress) => Goes | Promise<Goes>;
}

/** A batch of a step. */
interface Part {
  readonly batch: readonly Example[];
  readonly tokens: number;
  readonly size: BatchSize;
  /** The loss, and what is told beside it. */
  readonly values: readonly number[];
}

type Goes = boolean | undefined;

export interface TrainingProgress {
  /** A copy of the state after this step. */
  readonly state: () => Promise<TrainingState>;
  /** The examples of this step. */
  readonly batch: readonly Example[];
  /** Does other work on the model meanwhile, without the memory in which steps are computed. */
  readonly paused: <T>(work: () => Promise<T>) => Promise<T>;
}

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

export interface StepReport {
  /** Counted from 1. */
  readonly step: number;
  /** The objective's value for the batch; where none was chosen, mean cross-entropy, nats per token. */
  readonly loss: number;
  /** What the objective tells beside it. */
  readonly terms?: Readonly<Record<string, number>>;
  readonly learningRate: number;
  /** L2 norm of all gradients together, before clipping. */
  readonly gradientNorm: number;
  /** True where loss or gradient norm was not finite: the step changed nothing. */
  readonly skipped: boolean;
  /** Text tokens that counted in the loss. */
  readonly tokens: number;
  /** Of what was computed, and how much of it was padding. */
  readonly size: BatchSize;
  readonly seconds: number;
}

export function scheduledRate(step: number, { steps, learningRate, warmupSteps }: TrainingOptions): number {
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  return (learningRate * (steps - step + 1)) / Math.max(1, steps - warmupSteps);
}

/** Betas and epsilon of AdamW: PyTorch's own. */
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/**
 * The weights of the model in its runtime are changed (with LoRA, adapters beside them: see mergeLora; so with the row of a
 * new language token: see mergeLanguageRow); steps whose loss or gradient is not finite change nothing.
 * @returns the reports of the steps made here, without those before `from`
 */
export async function trainDecoder(
  model: WhisperModel,
  examples: readonly Example[],
  options: TrainingOptions,
): Promise<StepReport[]> {
  const { runtime, dimensions } = model;
  const { from, vocabulary, accumulate = 1, recompute, weightDecay, clipNorm } = options;
  const objective = withGates(options.objective ?? crossEntropy, dimensions, options.experts, options.seed);
  const trained = [...tunedWeights(dimensions, options), ...auxiliaryWeights(objective)];
  const adapters = tuningAdapters(dimensions, options);
  const tails = await model.silenceTailsFor(examples.map(({ clip }) => clip));
  await model.decoderChanged();
  if (adapters) await createLora(model, adapters, options.seed);
  if (options.experts) await createExperts(model, options.experts, options.seed);
  if (trained.includes(LANGUAGE_ROW)) await createLanguageRow(model);
  await createAuxiliaryWeights(model, objective, options.seed);
  if (from) await restoreWeights(model, from);
  await runtime.createAdamW(trained, from?.optimizer, accumulate > 1);
  const graph = tuningGraph(dimensions, options, {
    withOutputIds: vocabulary !== undefined,
    objective,
    recompute,
  });
  const load = () => runtime.load(graph, { builtIn: () => false });
  let program = await load();
  const told = program.outputs.filter((name) => name.startsWith(reportOutput('')));
  const outputIds = vocabulary && model.output(vocabulary).ids;
  const scaled = scaledWeights(dimensions, options);
  const reports: StepReport[] = [];
  const batches = new PreparedBatches(examples, options, tails, model.tokens.endOfText, outputIds);
  // The batches before are drawn again: cheaper to be sure of than a stored position in pool and generator.
  batches.skip(accumulate * (from?.step ?? 0));
  try {
    for (let step = (from?.step ?? 0) + 1; step <= options.steps; step++) {
      const started = performance.now();
      if (scaled.length > 0) await runtime.storeRowScales(scaled);
      const parts: Part[] = [];
      for (let k = 0; k < accumulate; k++) {
        const { examples: batch, feeds, tokens, size } = await batches.next();
        const others = objective.feeds?.({ examples: batch, feeds, step, steps: options.steps });
        const { fetched } = await runtime.run(program, { ...feeds, ...others }, { fetch: ['loss', ...told] });
        // The step's loss is the mean over all its tokens, so a batch counts by how many it has.
        if (accumulate > 1) await runtime.accumulateGradients(tokens, k === 0);
        const values = ['loss', ...told].map((name) => (fetched[name]!.data as Float32Array)[0]!);
        parts.push({ batch, tokens, size, values });
      }
      const batch = parts.flatMap((part) => part.batch);
      const tokens = parts.reduce((sum, part) => sum + part.tokens, 0);
      const [loss, ...terms] = parts[0]!.values.map(
        (_, i) => parts.reduce((sum, part) => sum + part.tokens * part.values[i]!, 0) / tokens,
      ) as [number, ...number[]];
      const learningRate = scheduledRate(step, options);
      const gradientNorm = Number.isFinite(loss)
        ? await runtime.stepAdamW({ ...ADAMW, learningRate, weightDecay, clipNorm })
        : Number.NaN;
      const report = {
        step,
        loss,
        ...(told.length > 0 && {
          terms: Object.fromEntries(told.map((name, i) => [name.slice(reportOutput('').length), terms[i]!])),
        }),
        learningRate,
        gradientNorm,
        skipped: !Number.isFinite(loss) || !Number.isFinite(gradientNorm),
        tokens,
        size: sizeOfAll(parts.map((part) => part.size)),
        seconds: (performance.now() - started) / 1000,
      };
      reports.push(report);
      const state = () => trainingState(runtime, step, trained);
      const paused = async <T>(work: () => Promise<T>): Promise<T> => {
        await runtime.unload(program);
        try {
          return await work();
        } finally {
          program = await load();
        }
      };
      if ((await options.onStep?.(report, { state, batch, paused })) === false) break;
    }
  } finally {
    await runtime.unload(program);
    await runtime.releaseAdamW();
    if (tunesEncoder(options)) await model.encoderChanged();
  }
  return reports;
}

/** Puts trained weights back where they were. The state's arrays move to the computing thread. */
export async function restoreWeights(
  model: WhisperModel,
  state: Pick<TrainingState, 'names' | 'weights'>,
): Promise<void> {
  await model.decoderChanged();
  await storeTrained(model.runtime, state);
  if (state.names.some((name) => name.startsWith('model.encoder.'))) await model.encoderChanged();
}
