/** For tests: short trainings of a tiny Whisper on examples of unlike lengths, to compare devices. */
import type { HostTensor } from '../backend/runtime.ts';
import type { ReadyExample } from '../training/batches.ts';
import type { TrainingState } from '../training/checkpoints.ts';
import { defaultTraining } from '../training/choices.ts';
import { restoreWeights, type StepReport, type TrainingOptions, trainDecoder } from '../training/train.ts';
import { tunesEncoder } from '../training/tuned-weights.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { pseudo } from './tiny-model.ts';

export function drawnExamples(
  { dimensions, tokens }: WhisperModel,
  part: TrainingOptions['part'],
): ReadyExample[] {
  const { width, melBins } = dimensions;
  const prompt = tokens.prompt('zh', 'transcribe');
  return Array.from({ length: 6 }, (_, i) => {
    const window = 40 + 8 * i;
    const values = (count: number): Float32Array => pseudo(count, 50 + i, 2);
    const sizes = { window, length: window - 10 };
    const clip = tunesEncoder({ part })
      ? { mel: values(2 * melBins * window), ...sizes }
      : { frames: values(window * width), ...sizes, width };
    const text = Array.from({ length: 3 + i }, (_, k) => 1000 + 17 * k * (i + 1));
    return { clip, tokens: [...prompt, ...text, tokens.endOfText], promptLength: prompt.length };
  });
}

export interface DeviceRun {
  readonly reports: readonly StepReport[];
  /** After the last step, and after each at which the training paused. */
  readonly states: readonly TrainingState[];
}

/** @param pause steps between pauses. Default: none but the last */
export async function trainOn(
  model: WhisperModel,
  options: Partial<TrainingOptions>,
  { pause = 100, untuned }: { pause?: number; untuned: readonly (readonly [string, HostTensor])[] },
): Promise<DeviceRun> {
  await restoreWeights(model, {
    names: untuned.map(([name]) => name),
    weights: untuned.map(([, { data, ...rest }]) => ({ ...rest, data: data.slice() })),
  });
  const steps = options.steps ?? 20;
  const pausesAfter = (step: number): boolean => step === steps || step % pause === 0;
  const states: TrainingState[] = [];
  const reports = await trainDecoder(model, drawnExamples(model, options.part ?? 'decoder'), {
    ...{ ...defaultTraining, steps, batchSize: 2, warmupSteps: 2, learningRate: 1e-3, seed: 1, pausesAfter },
    ...options,
    onStep: async ({ step }, { isCurrent, state }) => {
      if (isCurrent && pausesAfter(step)) states.push(await state());
      return undefined;
    },
  });
  return { reports, states };
}

/** Largest difference of weights, relative to the largest of each. */
export function weightDifference(a: TrainingState, b: TrainingState): number {
  let most = 0;
  for (const [i, { data }] of a.weights.entries()) {
    let [difference, size] = [0, 0];
    for (const [k, value] of (data as Float32Array).entries()) {
      difference = Math.max(difference, Math.abs(value - (b.weights[i]!.data[k] as number)));
      size = Math.max(size, Math.abs(value));
    }
    most = Math.max(most, difference / size);
  }
  return most;
}

export function lossDifference(a: DeviceRun, b: DeviceRun): number {
  let most = 0;
  for (const [i, { loss }] of a.reports.entries())
    most = Math.max(most, Math.abs(loss / b.reports[i]!.loss - 1));
  return most;
}
