/** What `train` tells: what the run needs before it starts, each step and evaluation, and the summary. */
import { totalmem } from 'node:os';
import { formatNumber } from '../report/format.ts';
import { type Progress, startProgress } from '../report/progress.ts';
import type { Example } from '../training/batches.ts';
import { memoryMb } from '../training/metrics.ts';
import { memoryNeeds, totalBytes } from '../training/needs.ts';
import type { RunOptions, RunResult } from '../training/run.ts';
import type { TrainingOptions } from '../training/train.ts';
import type { WhisperModel } from '../whisper/model.ts';

/** Says what the run will need, on standard error: results on standard output stay clean. */
export async function announce(
  model: WhisperModel,
  examples: readonly Example[],
  leftOut: ReadonlyMap<string, number>,
  training: TrainingOptions,
): Promise<void> {
  const needs = await memoryNeeds(model, examples, training);
  const { batch } = needs;
  const gb = (bytes: number): string => formatNumber(bytes / 1e9, 2);
  const total = totalBytes(needs);
  const perEpoch = examples.length / training.batchSize;
  const lines = [
    `memory: about ${gb(total)} GB: weights ${gb(needs.weights)}, gradients and moments ${gb(needs.optimizer)}, ` +
      `activations ${gb(needs.activations)} (${batch.clips} clips × ${batch.frames} frames × ${batch.tokens} tokens), ` +
      `clips ${gb(needs.clips)}, checkpoint ${gb(needs.checkpoint)}, program ${gb(needs.program)}`,
    `data: ${formatNumber(examples.length)} clips, ${formatNumber(Math.ceil(perEpoch))} steps an epoch, ` +
      `${formatNumber(training.steps / perEpoch, 1)} epochs`,
    ...[...leftOut].map(([reason, count]) => `left out: ${formatNumber(count)} clips: ${reason}`),
  ];
  if (total > totalmem()) {
    lines.push(
      `note: this machine has ${gb(totalmem())} GB: expect it to run out; a smaller --batch-size helps`,
    );
  }
  process.stderr.write(`${lines.join('\n')}\n`);
}

/**
 * Progress on standard error; steps and evaluations on standard output.
 * Ctrl-C ends the training after the current step; what was learnt is saved. A second one ends at once.
 */
export function watchRun(
  steps: number,
  json: boolean,
): Pick<RunOptions, 'note' | 'onStart' | 'onStep' | 'onEvaluation'> & { done: () => void } {
  let interrupted = false;
  process.once('SIGINT', () => {
    interrupted = true;
  });
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
      return interrupted ? 'stop' : undefined;
    },
    onEvaluation: ({ step, loss, bleu, chrf }) => {
      if (json) console.log(JSON.stringify({ step, devLoss: loss, devBleu: bleu, devChrf: chrf }));
      else {
        console.log(
          `step ${step}: dev loss ${loss.toFixed(3)}, BLEU ${bleu.toFixed(1)}, chrF ${chrf.toFixed(1)}`,
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
  const summary = {
    model: output,
    examples,
    steps: reports.length,
    skipped,
    saved,
    loss: last.reduce((sum, { loss }) => sum + loss, 0) / last.length,
    ...(evaluations.length > 0 && { evaluations: evaluations.length }),
    ...memoryMb(),
    seconds,
  };
  if (json) console.log(JSON.stringify(summary));
  else {
    console.log(
      `${output}: ${summary.steps} steps on ${examples} clips in ${seconds.toFixed(0)} s, ` +
        `loss ${summary.loss.toFixed(3)} (mean of the last ${last.length} steps)` +
        `${skipped > 0 ? `, ${skipped} steps skipped` : ''}` +
        `${saved === reports.length ? '' : `; the weights are those of step ${saved}`}`,
    );
  }
}
