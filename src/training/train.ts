/**
 * Fine-tunes Whisper: by default its decoder, on encoder outputs that were computed once. The encoder, and with it the
 * shared space of all languages, then stays unchanged (Ma et al. 2024, "Cross-lingual Transfer Learning for Speech
 * Translation"). Other choices: tuned-weights.ts.
 */
import { UserError } from '../errors.ts';
import { LANGUAGE_ROW } from '../whisper/decoder.ts';
import { createLanguageRow } from '../whisper/language-token.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';
import { type BatchSize, type Example, sizeOfAll } from './batches.ts';
import { storeTrained, type TrainingState } from './checkpoints.ts';
import { createExperts, trainedExperts, withGates } from './experts.ts';
import { type LoopProgress, type LoopStep, type Stop, scheduledRate, trainingLoop } from './loop.ts';
import { createLora } from './lora.ts';
import { auxiliaryWeights, createAuxiliaryWeights, crossEntropy, type Objective } from './objective.ts';
import { type PreparedBatch, PreparedBatches } from './prepared-batches.ts';
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
  const { runtime, dimensions } = model;
  const { steps, from, vocabulary, accumulate = 1, recompute, weightDecay, clipNorm } = options;
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
  const outputIds = vocabulary && model.output(vocabulary).ids;
  const scaled = scaledWeights(dimensions, options);
  const reports: StepReport[] = [];
  const batches = new PreparedBatches(examples, options, {
    tails,
    padding: model.tokens.endOfText,
    outputIds,
    onUnreadable: options.onUnreadable,
    batches: accumulate * (steps - (from?.step ?? 0)),
  });
  // Earlier batches are drawn again: simpler to verify than a stored position in pool and generator.
  batches.skip(accumulate * (from?.step ?? 0));
  /** Batches by step, until it is reported. */
  const parts = new Map<number, PreparedBatch[]>();
  try {
    await trainingLoop(runtime, {
      ...{ graph, trained, steps, from, weightDecay, clipNorm, accumulate },
      learningRate: (step) => scheduledRate(step, options),
      pausesAfter: options.pausesAfter,
      beforeStep: async () => {
        if (options.quantization) await runtime.storeRowScales(scaled, options.quantization.bits);
      },
      batch: async (step) => {
        const part = await batches.next();
        parts.set(step, [...(parts.get(step) ?? []), part]);
        const { examples, feeds, tokens } = part;
        const others = await objective.feeds?.({ examples, feeds, step, steps });
        return { feeds: { ...feeds, ...others }, weight: tokens };
      },
      onStep: ({ seconds, ...step }, progress) => {
        const own = parts.get(step.step)!;
        parts.delete(step.step);
        const tokens = own.reduce((sum, part) => sum + part.tokens, 0);
        const size = sizeOfAll(own.map((part) => part.size));
        const report = { ...step, tokens, size, seconds };
        reports.push(report);
        return options.onStep?.(report, { ...progress, batch: own.flatMap(({ examples }) => examples) });
      },
    });
  } finally {
    await batches.close();
    if (tunesEncoder(options)) await model.encoderChanged();
  }
  return reports;
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
