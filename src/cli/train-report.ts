/** What `train` tells: what the run needs before it starts, each step and evaluation, and the summary. */
import { totalmem } from 'node:os';
import { formatNumber } from '../report/format.ts';
import { type Progress, startProgress } from '../report/progress.ts';
import { type BatchSize, batchSize, type Example, paddingShares } from '../training/batches.ts';
import { estimateMemory, totalBytes } from '../training/memory-estimate.ts';
import { devMetrics, memoryMb } from '../training/metrics.ts';
import type { TrainingData } from '../training/recipe-data.ts';
import type { RunOptions, RunResult } from '../training/run.ts';
import { sampleBatches } from '../training/sampling.ts';
import type { TrainingOptions } from '../training/train.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { interruption } from './options.ts';

/** More batches would tell no more about padding. */
const MAX_PLANNED = 500;

/** Says what the run will need, on standard error: results on standard output stay clean. */
export async function announce(
  model: WhisperModel,
  { examples, leftOut, told }: Pick<TrainingData, 'examples' | 'leftOut' | 'told'>,
  training: TrainingOptions,
): Promise<void> {
  const needs = await estimateMemory(model, examples, training);
  const { batch } = needs;
  const gb = (bytes: number): string => formatNumber(bytes / 1e9, 2);
  const total = totalBytes(needs);
  const planned = plannedBatches(examples, training);
  const clipsPerBatch = planned.reduce((sum, { clips }) => sum + clips, 0) / planned.length;
  const perEpoch = examples.length / clipsPerBatch;
  const lines = [
    `memory: about ${gb(total)} GB: weights ${gb(needs.weights)}, gradients and moments ${gb(needs.optimizer)}, ` +
      `activations ${gb(needs.activations)} (${batch.clips} clips × ${batch.frames} frames × ${batch.tokens} tokens), ` +
      `clips ${gb(needs.clips)}, checkpoint ${gb(needs.checkpoint)}, program ${gb(needs.program)}`,
    `data: ${formatNumber(examples.length)} clips, ${formatNumber(Math.ceil(perEpoch))} steps an epoch, ` +
      `${formatNumber(training.steps / perEpoch, 1)} epochs`,
    `batches: ${formatNumber(clipsPerBatch, 1)} clips on average; ${paddingText(planned)}`,
    ...told,
    ...[...leftOut].map(([reason, count]) => `left out: ${formatNumber(count)} clips: ${reason}`),
  ];
  if (total > totalmem()) {
    lines.push(
      `note: this machine has ${gb(totalmem())} GB: expect it to run out; a smaller --batch-size helps`,
    );
  }
  process.stderr.write(`${lines.join('\n')}\n`);
}

/** The first batches of the run, an epoch at most. */
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

function paddingText(sizes: readonly BatchSize[]): string {
  const { frames, tokens } = paddingShares(sizes);
  return `padding is ${formatNumber(100 * frames, 1)} % of the frames, ${formatNumber(100 * tokens, 1)} % of the tokens`;
}

/**
 * Progress on standard error; steps and evaluations on standard output.
 * Ctrl-C ends the training after the current step; what was learnt is saved. A second one ends at once.
 */
export function watchRun(
  steps: number,
  json: boolean,
): Pick<RunOptions, 'note' | 'onStart' | 'onStep' | 'onEvaluation'> & { done: () => void } {
  const interrupted = interruption();
  let progress: Progress | undefined;
  return {
    note: (line) => process.stderr.write(`note: ${line}\n`),
    onStart: (step) => {
      progress = startProgress('training', steps, { from: step });
    },
    onStep: (report) => {
      const rate = (report.tokens / report.seconds).toFixed(0);
      progress?.update(report.step, `loss ${report.loss.toFixed(3)}  ${rate} tokens/s`);
      if (json) console.log(JSON.stringify(report));
      if (report.skipped) {
        process.stderr.write(`note: step ${report.step} skipped: loss or gradient is not finite\n`);
      }
      return interrupted() ? 'stop' : undefined;
    },
    onEvaluation: (evaluation) => {
      const { step, loss, bleu, chrf, targets = {} } = evaluation;
      const byTarget = Object.entries(targets).map(
        ([target, scores]) => `; ${target}: BLEU ${scores.bleu.toFixed(1)}, chrF ${scores.chrf.toFixed(1)}`,
      );
      if (json) console.log(JSON.stringify(devMetrics(evaluation)));
      else {
        console.log(
          `step ${step}: dev loss ${loss.toFixed(3)}, BLEU ${bleu.toFixed(1)}, chrF ${chrf.toFixed(1)}${byTarget.join('')}`,
        );
      }
    },
    done: () => progress?.done(),
  };
}

export function printSummary(
  { reports, evaluations, saved }: RunResult,
  { output, examples, seconds }: { output: string; examples: number; seconds: number },
  json: boolean,
): void {
  const last = reports.filter(({ skipped }) => !skipped).slice(-10);
  const skipped = reports.filter((report) => report.skipped).length;
  const sizes = reports.map(({ size }) => size);
  const padding = paddingShares(sizes);
  const summary = {
    model: output,
    examples,
    steps: reports.length,
    skipped,
    saved,
    framePadding: padding.frames,
    tokenPadding: padding.tokens,
    loss: last.reduce((sum, { loss }) => sum + loss, 0) / last.length,
    ...(evaluations.length > 0 && { evaluations: evaluations.length }),
    ...memoryMb(),
    seconds,
  };
  if (json) console.log(JSON.stringify(summary));
  else {
    console.log(
      `${output}: ${summary.steps} steps on ${examples} clips in ${seconds.toFixed(0)} s, ` +
        `loss ${summary.loss.toFixed(3)} (mean of the last ${last.length} steps); ${paddingText(sizes)}` +
        `${skipped > 0 ? `, ${skipped} steps skipped` : ''}` +
        `${saved === reports.length ? '' : `; the weights are those of step ${saved}`}`,
    );
  }
}
