/** Scores of a probe, with intervals. */
import { bootstrap } from '../../metrics/significance.ts';
import { accuracy, confusionMatrix, macroF1, majorityShare } from './classification.ts';

export interface ProbeScores {
  readonly clips: number;
  readonly accuracy: number;
  /** Bounds of the 95 % bootstrap interval of the accuracy, over clips. */
  readonly interval: readonly [number, number];
  readonly macroF1: number;
  /** Accuracy of always saying the commonest label of these clips. */
  readonly majority: number;
  /** Rows: true label, columns: predicted one. */
  readonly confusion: readonly (readonly number[])[];
}

export function scoreProbe(
  labels: readonly string[],
  truth: readonly number[],
  predicted: readonly number[],
): ProbeScores {
  const confusion = confusionMatrix({ labels, truth, predicted });
  const right = truth.map((label, i) => [Number(label === predicted[i]), 1]);
  const { low, high } = bootstrap(right, (total) => total[0]! / total[1]!);
  return {
    clips: truth.length,
    accuracy: accuracy(confusion),
    interval: [low, high],
    macroF1: macroF1(confusion),
    majority: majorityShare(confusion),
    confusion,
  };
}
