import { largest } from '../../extremes.ts';
/** Accuracy, macro-F1 and the confusion matrix of a classification, as scikit-learn counts them. */

/** True and predicted labels of clips, as indices into `labels`. */
export interface Decisions {
  readonly labels: readonly string[];
  readonly truth: readonly number[];
  readonly predicted: readonly number[];
}

/** Rows: the true label, columns: the predicted one, both in the order of `labels`. */
export function confusionMatrix({ labels, truth, predicted }: Decisions): number[][] {
  const counts = labels.map(() => new Array<number>(labels.length).fill(0));
  truth.forEach((label, i) => counts[label]![predicted[i]!]!++);
  return counts;
}

export function accuracy(counts: readonly (readonly number[])[]): number {
  const right = counts.reduce((total, row, i) => total + row[i]!, 0);
  return right / total(counts);
}

/** Share of the commonest true label: the accuracy of always predicting it. */
export function majorityShare(counts: readonly (readonly number[])[]): number {
  return largest(counts, sum) / total(counts);
}

export interface LabelScore {
  readonly precision: number;
  readonly recall: number;
  /** 2·TP / (2·TP + FP + FN); 0 where nothing was right. */
  readonly f1: number;
  /** Clips that have the label. */
  readonly support: number;
}

export function labelScores(counts: readonly (readonly number[])[]): LabelScore[] {
  return counts.map((row, i) => {
    const right = row[i]!;
    const support = sum(row);
    const given = sum(counts.map((other) => other[i]!));
    const share = (of: number): number => (of === 0 ? 0 : right / of);
    return {
      precision: share(given),
      recall: share(support),
      f1: share((given + support) / 2),
      support,
    };
  });
}

/** Mean F1 over the labels that occur, true or predicted: each counts the same, however rare. */
export function macroF1(counts: readonly (readonly number[])[]): number {
  const occurring = labelScores(counts).filter(
    ({ support }, i) => support > 0 || counts.some((row) => row[i]! > 0),
  );
  return sum(occurring.map(({ f1 }) => f1)) / occurring.length;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const total = (counts: readonly (readonly number[])[]): number => sum(counts.map(sum));
