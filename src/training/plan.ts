/** Plan of a training run: clips, batches and memory, before its first step. */
import { totalmem } from 'node:os';
import { formatNumber } from '../report/format.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type BatchSize, batchSize, type Example, paddingShares } from './batches.ts';
import { estimateMemory, type MemoryEstimate, totalBytes } from './memory-estimate.ts';
import type { TrainingData } from './recipe-data.ts';
import { sampleBatches } from './sampling.ts';
import type { TrainingOptions } from './train.ts';

/** Batches to sample: more do not change the estimate of padding. */
const MAX_PLANNED = 500;

export interface TrainingPlan {
  readonly memory: MemoryEstimate;
  /** Training clips, and skipped ones by reason. */
  readonly examples: number;
  readonly skipped: ReadonlyMap<string, number>;
  /** Notes on merging and augmentation, a line each. */
  readonly notes: readonly string[];
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  /** Means over the first batches, an epoch at most. */
  readonly clipsPerBatch: number;
  /** Shares of padding among the frames and among the tokens, 0 to 1. */
  readonly padding: { readonly frames: number; readonly tokens: number };
}

export async function trainingPlan(
  model: WhisperModel,
  { examples, skipped, notes, held }: Pick<TrainingData, 'examples' | 'skipped' | 'notes' | 'held'>,
  training: TrainingOptions,
): Promise<TrainingPlan> {
  const planned = plannedBatches(examples, training);
  const clipsPerBatch = planned.reduce((sum, { clips }) => sum + clips, 0) / planned.length;
  const stepsPerEpoch = examples.length / clipsPerBatch;
  return {
    memory: await estimateMemory(model, examples, training, held),
    examples: examples.length,
    skipped,
    notes,
    steps: training.steps,
    stepsPerEpoch,
    epochs: training.steps / stepsPerEpoch,
    clipsPerBatch,
    padding: paddingShares(planned),
  };
}

function plannedBatches(examples: readonly Example[], training: TrainingOptions): BatchSize[] {
  const batches = sampleBatches(examples, training);
  const sizes: BatchSize[] = [];
  for (let seen = 0; seen < examples.length && sizes.length < MAX_PLANNED; ) {
    const batch = batches.next().value;
    sizes.push(batchSize(batch.map((i) => examples[i]!)));
    seen += batch.length;
  }
  return sizes;
}

/** The plan as `train` prints it. */
export function planLines({ memory, ...plan }: TrainingPlan): string[] {
  const { batch } = memory;
  const gb = (bytes: number): string => formatNumber(bytes / 1e9, 2);
  const total = totalBytes(memory);
  return [
    `memory: about ${gb(total)} GB: weights ${gb(memory.weights)}, gradients and moments ${gb(memory.optimizer)}, ` +
      `activations ${gb(memory.activations)} (${batch.clips} clips × ${batch.frames} frames × ${batch.tokens} tokens), ` +
      `clips ${gb(memory.clips)}, checkpoint ${gb(memory.checkpoint)}, program ${gb(memory.program)}`,
    ...(memory.card === undefined ? [] : [`on the graphics card: about ${gb(memory.card)} GB`]),
    `data: ${formatNumber(plan.examples)} clips, ${formatNumber(Math.ceil(plan.stepsPerEpoch))} steps an epoch, ` +
      `${formatNumber(plan.epochs, 1)} epochs`,
    `batches: ${formatNumber(plan.clipsPerBatch, 1)} clips on average; ${paddingText(plan.padding)}`,
    ...plan.notes,
    ...[...plan.skipped].map(
      ([reason, count]) => `skipped: ${formatNumber(count)} ${count === 1 ? 'clip' : 'clips'}: ${reason}`,
    ),
    ...(total > totalmem()
      ? [`note: this machine has ${gb(totalmem())} GB: expect it to run out; a smaller --batch-size helps`]
      : []),
  ];
}

export function paddingText({ frames, tokens }: TrainingPlan['padding']): string {
  const ofFrames = Number.isNaN(frames) ? '' : `${formatNumber(100 * frames, 1)} % of the frames, `;
  return `padding is ${ofFrames}${formatNumber(100 * tokens, 1)} % of the tokens`;
}
