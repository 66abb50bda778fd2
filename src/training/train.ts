/**
 * Fine-tuning of Whisper's decoder on encoder outputs that were computed once: the encoder, and with it the space
 * that all languages share, stays as it is (Ma et al. 2024, "Cross-lingual Transfer Learning for Speech Translation").
 */
import { decoderWeights, TOKEN_EMBEDDING, trainingGraph } from '../whisper/decoder.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';
import { type Example, sampleBatches, trainingBatch } from './batches.ts';

export interface TrainingOptions {
  readonly steps: number;
  readonly batchSize: number;
  /** Batches of long clips are made of fewer, so that all their frames are at most so many. Default: no bound. */
  readonly mostFrames?: number;
  /** Highest step size, reached after the warm-up; from there it falls linearly to 0. */
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly weightDecay: number;
  /** Largest L2 norm of all gradients together. */
  readonly clipNorm: number;
  readonly seed: number;
  /** Whether the token embedding (which is also the output matrix) is trained: it is most of the memory. */
  readonly embedding: 'frozen' | 'dense';
  /** The softmax is over these tokens only. */
  readonly vocabulary?: TargetVocabulary | undefined;
  /** Called after each step. Returning false ends the training there. */
  readonly onStep?: (report: StepReport) => boolean | undefined;
}

export const defaultTraining: Omit<TrainingOptions, 'steps'> = {
  batchSize: 16,
  learningRate: 7e-5,
  warmupSteps: 20,
  weightDecay: 0.01,
  clipNorm: 1,
  seed: 1,
  embedding: 'frozen',
};

export interface StepReport {
  /** Counted from 1. */
  readonly step: number;
  /** Mean cross-entropy of the batch, nats per token. */
  readonly loss: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  /** Text tokens that counted in the loss. */
  readonly tokens: number;
  readonly seconds: number;
}

export function scheduledRate(step: number, { steps, learningRate, warmupSteps }: TrainingOptions): number {
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  return (learningRate * (steps - step + 1)) / Math.max(1, steps - warmupSteps);
}

/** The weights of the model in its runtime are changed; steps whose loss or gradient is not finite change nothing. */
export async function trainDecoder(
  model: WhisperModel,
  examples: readonly Example[],
  options: TrainingOptions,
): Promise<StepReport[]> {
  const { runtime, dimensions } = model;
  const trained = decoderWeights(dimensions).filter(
    (name) => options.embedding === 'dense' || name !== TOKEN_EMBEDDING,
  );
  const tails = await model.silenceTailsFor(examples.map(({ clip }) => clip));
  await model.decoderChanged();
  await runtime.createAdamW(trained);
  const { vocabulary } = options;
  const program = await runtime.load(trainingGraph(dimensions, trained, vocabulary !== undefined), {
    builtIn: () => false,
  });
  const outputIds = vocabulary && model.output(vocabulary).ids;
  const reports: StepReport[] = [];
  const batches = sampleBatches(examples, options.batchSize, options.seed, options.mostFrames);
  try {
    for (let step = 1; step <= options.steps; step++) {
      const started = performance.now();
      const batch = batches.next().value.map((i) => examples[i]!);
      const { feeds, tokens } = trainingBatch(batch, tails, model.tokens.endOfText, outputIds);
      const { fetched } = await runtime.run(program, feeds, { fetch: ['loss'] });
      const learningRate = scheduledRate(step, options);
      const { weightDecay, clipNorm } = options;
      const gradientNorm = await runtime.stepAdamW({
        learningRate,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weightDecay,
        clipNorm,
      });
      const loss = (fetched.loss!.data as Float32Array)[0]!;
      const report = {
        step,
        loss,
        learningRate,
        gradientNorm,
        tokens,
        seconds: (performance.now() - started) / 1000,
      };
      reports.push(report);
      if (options.onStep?.(report) === false) break;
    }
  } finally {
    await runtime.unload(program);
    await runtime.releaseAdamW();
  }
  return reports;
}
