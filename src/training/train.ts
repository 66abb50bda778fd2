/**
 * Fine-tunes Whisper: by default its decoder, on encoder outputs that were computed once. The encoder, and with it the
 * shared space of all languages, then stays unchanged (Ma et al. 2024, "Cross-lingual Transfer Learning for Speech
 * Translation"). Other choices: tuned-weights.ts.
 */
import { UserError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { LANGUAGE_ROW } from '../whisper/decoder.ts';
import { createLanguageRow } from '../whisper/language-token.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';
import { type BatchSize, type Example, sizeOfAll } from './batches.ts';
import { storeTrained, type TrainingState } from './checkpoints.ts';
import { createExperts, trainedExperts, withGates } from './experts.ts';
import {
  type BatchGradient,
  HostBatches,
  type LoopBatch,
  type LoopProgress,
  type LoopStep,
  type StepHere,
  type Stop,
  scheduledRate,
  trainingLoop,
} from './loop.ts';
import { createLora } from './lora.ts';
import { auxiliaryWeights, createAuxiliaryWeights, crossEntropy, type Objective } from './objective.ts';
import { PreparedBatches, type Unreadable } from './prepared-batches.ts';
import { scaledWeights } from './quantization.ts';
import type { SamplingOptions } from './sampling.ts';
import { type Tuning, tunedWeights, tunesEncoder, tuningAdapters, tuningGraph } from './tuned-weights.ts';

export interface TrainingOptions extends Tuning, SamplingOptions {
  readonly steps: number;
  /** Peak learning rate, reached after the warm-up; then it falls linearly to 0. */
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly weightDecay: number;
  /** Largest L2 norm of all gradients together. */
  readonly clipNorm: number;
  /** The softmax is over these tokens only. */
  readonly vocabulary?: TargetVocabulary | undefined;
  /**
   * Gradient accumulation: batches per step, as if they were one batch of which only `batchSize` clips are held at a time.
   * Default: 1.
   */
  readonly accumulate?: number | undefined;
  /** Recompute activations in the backward pass: less memory, more time. */
  readonly recompute?: boolean | undefined;
  /** Loss to minimise. Default: mean cross-entropy. */
  readonly objective?: Objective | undefined;
  /** State of an earlier run of the same examples and options, to resume exactly. */
  readonly from?: TrainingState;
  /** Whether the state is needed after a step (see loop.ts). Default: after each. */
  readonly pausesAfter?: ((step: number) => boolean) | undefined;
  /** Called once with each recording that cannot be read, one line; its batches go without it. */
  readonly onUnreadable?: ((reason: string) => void) | undefined;
  /**
   * Has batches computed by other processes, too, where several make a step on the CPU. Default: all are computed here.
   * @internal
   */
  readonly share?: ShareBatches | undefined;
  /** Called after each step, and waited for. 'stop' ends the training there, or after the steps that ran together with it. */
  readonly onStep?: (report: StepReport, progress: TrainingProgress) => Stop | Promise<Stop>;
}

export interface TrainingProgress extends LoopProgress {
  /** The examples of this step. */
  readonly batch: readonly Example[];
}

/** Report of a step. `loss` is the objective's value; by default mean cross-entropy, nats per token. */
export interface StepReport extends LoopStep {
  /** Text tokens in the loss. */
  readonly tokens: number;
  /** Size of the batches, and how much of it was padding. */
  readonly size: BatchSize;
}

/** What a step's report says of a batch. */
interface BatchRecord {
  /** Text tokens in the loss: the weight of the batch. */
  readonly tokens: number;
  readonly size: BatchSize;
  /** Places of its examples in the list. */
  readonly members: readonly number[];
}

/** A batch that another process computed. */
export interface ComputedBatch extends BatchGradient {
  readonly gradient: Float32Array;
  readonly record: BatchRecord;
  /** Examples that could not be read there, which were not reported yet. */
  readonly unreadable: readonly Unreadable[];
}

/** Gives the batches of a step in their order, each computed here or by another process. */
export type ShareBatches = (step: number, here: StepHere) => AsyncIterable<BatchGradient | ComputedBatch>;

/** Batches of a training, for a process that runs it or computes some of its batches. */
interface OpenTraining {
  readonly graph: Graph;
  readonly trained: readonly string[];
  readonly batches: PreparedBatches;
  /** Called before the batches of each step, once its weights are there. */
  readonly beforeStep: () => Promise<void>;
  /** Batch of a step, counted from 1, by its place in it. @param next place of the one to prepare ahead. Default: none */
  readonly batch: (
    step: number,
    place: number,
    next?: number,
  ) => Promise<{ loop: LoopBatch; record: BatchRecord }>;
  readonly close: () => Promise<void>;
}

/** Creates what is trained, with the weights of `from`, if there is one, and what computes batches of it. */
async function openTraining(
  model: WhisperModel,
  examples: readonly Example[],
  options: TrainingOptions,
  onUnreadable: (unreadable: Unreadable) => void,
): Promise<OpenTraining> {
  const { runtime, dimensions } = model;
  const { steps, from, vocabulary, accumulate = 1, recompute } = options;
  if (options.quantization && runtime.device !== 'cpu')
    throw new UserError(`device ${runtime.device}: found quantization, which is trained on the CPU only`);
  const objective = withGates(options.objective ?? crossEntropy, dimensions, options, options.seed);
  const trained = [...tunedWeights(dimensions, options), ...auxiliaryWeights(objective)];
  const adapters = tuningAdapters(dimensions, options);
  const tails = await model.silenceTailsFor(examples.map(({ clip }) => clip));
  await model.decoderChanged();
  if (adapters) await createLora(model, adapters, options.seed);
  const experts = trainedExperts(options);
  if (experts) await createExperts(model, experts, options.seed);
  if (trained.includes(LANGUAGE_ROW)) await createLanguageRow(model);
  await createAuxiliaryWeights(model, objective, options.seed);
  if (from) await restoreWeights(model, from);
  const graph = tuningGraph(dimensions, options, {
    withOutputIds: vocabulary !== undefined,
    objective,
    recompute,
  });
  const scaled = scaledWeights(dimensions, options);
  const batches = new PreparedBatches(examples, options, {
    tails,
    padding: model.tokens.endOfText,
    outputIds: vocabulary && model.output(vocabulary).ids,
    onUnreadable,
  });
  return {
    graph,
    trained,
    batches,
    beforeStep: async () => {
      if (options.quantization) await runtime.storeRowScales(scaled, options.quantization.bits);
    },
    batch: async (step, place, next) => {
      const first = accumulate * (step - 1);
      // Earlier batches are drawn again: simpler to verify than a stored position in pool and generator.
      batches.pass(first);
      const ahead = next !== undefined && first + next < accumulate * steps ? first + next : undefined;
      const { examples, feeds, tokens, size, members } = await batches.at(first + place, ahead);
      const others = await objective.feeds?.({ examples, feeds, step, steps });
      return {
        loop: { feeds: { ...feeds, ...others }, weight: tokens },
        record: { tokens, size, members },
      };
    },
    close: async () => {
      await batches.close();
      if (tunesEncoder(options)) await model.encoderChanged();
    },
  };
}

/**
 * Trains the weights of the model in its runtime (with LoRA, adapters beside them: see mergeLora; likewise the row of a new
 * language token: see mergeLanguageRow); steps whose loss or gradient is not finite change nothing.
 * @returns the reports of these steps, without those before `from`
 */
export async function trainDecoder(
  model: WhisperModel,
  examples: readonly Example[],
  options: TrainingOptions,
): Promise<StepReport[]> {
  const { steps, from, accumulate, weightDecay, clipNorm, share } = options;
  const { graph, trained, batches, ...training } = await openTraining(
    model,
    examples,
    options,
    ([, reason]) => options.onUnreadable?.(reason),
  );
  const reports: StepReport[] = [];
  /** Batches by step, until it is reported. */
  const records = new Map<number, BatchRecord[]>();
  const keep = (step: number, place: number, record: BatchRecord) => {
    const own = records.get(step) ?? [];
    own[place] = record;
    records.set(step, own);
  };
  try {
    await trainingLoop(model.runtime, {
      ...{ graph, trained, steps, from, weightDecay, clipNorm, accumulate },
      learningRate: (step) => scheduledRate(step, options),
      pausesAfter: options.pausesAfter,
      beforeStep: training.beforeStep,
      batch: async (step, place, next) => {
        const { loop, record } = await training.batch(step, place, next);
        keep(step, place, record);
        return loop;
      },
      batches:
        share &&
        async function* (step, here) {
          let place = 0;
          for await (const batch of share(step, here)) {
            if ('record' in batch) {
              keep(step, place, batch.record);
              for (const one of batch.unreadable) batches.reportUnreadable(one);
            }
            place++;
            yield batch;
          }
        },
      onStep: ({ seconds, ...step }, progress) => {
        const own = records.get(step.step)!;
        records.delete(step.step);
        const tokens = own.reduce((sum, part) => sum + part.tokens, 0);
        const size = sizeOfAll(own.map((part) => part.size));
        const report = { ...step, tokens, size, seconds };
        reports.push(report);
        const batch = own.flatMap(({ members }) => members.map((i) => examples[i]!));
        return options.onStep?.(report, { ...progress, batch });
      },
    });
  } finally {
    await training.close();
  }
  return reports;
}

/** Computes batches of a training that another process runs. */
export interface TrainingBatches {
  /** Sets the weights of a step, one after another. */
  readonly setWeights: (values: Float32Array) => Promise<void>;
  /** A batch of a step, counted from 1, by its place in it. Steps never go back. */
  readonly compute: (step: number, place: number) => Promise<ComputedBatch>;
  readonly close: () => Promise<void>;
}

/** @param options those of the training */
export async function trainingBatches(
  model: WhisperModel,
  examples: readonly Example[],
  options: TrainingOptions,
): Promise<TrainingBatches> {
  const { runtime } = model;
  let unreadable: Unreadable[] = [];
  const training = await openTraining(model, examples, options, (one) => unreadable.push(one));
  const { graph, trained } = training;
  await runtime.createAdamW(trained);
  const host = new HostBatches(runtime, graph, trained);
  return {
    setWeights: async (values) => {
      await host.setWeights(values);
      await training.beforeStep();
    },
    compute: async (step, place) => {
      const { loop, record } = await training.batch(step, place);
      const batch = await host.compute(loop);
      const found = { ...batch, gradient: await host.gradient(), record, unreadable };
      unreadable = [];
      return found;
    },
    close: async () => {
      await training.close();
      await host.unload();
      await runtime.releaseAdamW();
    },
  };
}

/** Restores trained weights. The state's arrays move to the computing thread. */
export async function restoreWeights(
  model: WhisperModel,
  state: Pick<TrainingState, 'names' | 'weights'>,
): Promise<void> {
  await model.decoderChanged();
  await storeTrained(model.runtime, state);
  if (state.names.some((name) => name.includes('model.encoder.'))) await model.encoderChanged();
}
