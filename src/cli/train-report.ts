/** Output of `train`: each evaluation, and the summary. */
import type { DevEvaluation } from '../training/dev-evaluation.ts';
import { devMetrics, memoryMb } from '../training/metrics.ts';
import { paddingText } from '../training/plan.ts';
import type { TrainResult } from '../training/train-recipe.ts';

export function printEvaluation(evaluation: DevEvaluation, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(devMetrics(evaluation)));
    return;
  }
  const { step, loss, bleu, chrf, targets = {} } = evaluation;
  const byTarget = Object.entries(targets).map(
    ([target, scores]) => `; ${target}: BLEU ${scores.bleu.toFixed(1)}, chrF ${scores.chrf.toFixed(1)}`,
  );
  console.log(
    `step ${step}: dev loss ${loss.toFixed(3)}, BLEU ${bleu.toFixed(1)}, chrF ${chrf.toFixed(1)}${byTarget.join('')}`,
  );
}

export function printSummary(
  {
    model,
    examples,
    unreadable,
    steps,
    skipped,
    saved,
    padding,
    loss,
    evaluations,
    reports,
    seconds,
  }: TrainResult,
  json: boolean,
): void {
  if (json) {
    const summary = {
      ...{ model, examples, steps, skipped, saved },
      ...(unreadable > 0 && { unreadable }),
      framePadding: padding.frames,
      tokenPadding: padding.tokens,
      loss,
      ...(evaluations.length > 0 && { evaluations: evaluations.length }),
      ...memoryMb(),
      seconds,
    };
    console.log(JSON.stringify(summary));
    return;
  }
  const averaged = Math.min(10, reports.length - skipped);
  console.log(
    `${model}: ${steps} steps on ${examples} clips in ${seconds.toFixed(0)} s, ` +
      `loss ${loss.toFixed(3)} (mean of the last ${averaged} steps); ${paddingText(padding)}` +
      `${skipped > 0 ? `, ${skipped} steps skipped` : ''}` +
      `${unreadable > 0 ? `; ${unreadable} recordings could not be read and were left out` : ''}` +
      `${saved === steps ? '' : `; the weights are those of step ${saved}`}`,
  );
}
