/** Speaker verification: error rates of a score over pairs of recordings. */
import { UserError } from '../../errors.ts';

/** Error rates at one threshold: scores at or above it are accepted. */
export interface OperatingPoint {
  readonly threshold: number;
  /** Share of the pairs of different speakers that are accepted (false acceptance). */
  readonly falseAlarm: number;
  /** Share of the pairs of one speaker that are rejected. */
  readonly miss: number;
}

/**
 * Every operating point that the scores have, from the strictest threshold (nothing is accepted) to the most lenient
 * (all is): the points of the DET and, with 1 − miss, of the ROC curve.
 * @param scores higher: more alike
 * @param same whether the pair is of one speaker
 */
export function operatingPoints(scores: ArrayLike<number>, same: readonly boolean[]): OperatingPoint[] {
  const targets = same.filter(Boolean).length;
  const others = same.length - targets;
  if (targets === 0 || others === 0) {
    throw new UserError(
      `found ${targets} pairs of one speaker and ${others} of different ones; expected some of both`,
    );
  }
  const sorted = (one: boolean) =>
    Float64Array.from(Array.from(scores).filter((_, pair) => same[pair] === one)).sort();
  const [ofOne, ofTwo] = [sorted(true), sorted(false)];
  const points: OperatingPoint[] = [{ threshold: Number.POSITIVE_INFINITY, falseAlarm: 0, miss: 1 }];
  let rejected = targets;
  let rightly = others;
  while (rejected > 0 || rightly > 0) {
    const threshold = Math.max(
      ofOne[rejected - 1] ?? Number.NEGATIVE_INFINITY,
      ofTwo[rightly - 1] ?? Number.NEGATIVE_INFINITY,
    );
    // Equal scores are accepted together. Negated, so that a NaN ends, too.
    while (rejected > 0 && !(ofOne[rejected - 1]! < threshold)) rejected--;
    while (rightly > 0 && !(ofTwo[rightly - 1]! < threshold)) rightly--;
    points.push({
      threshold,
      falseAlarm: (others - rightly) / others,
      miss: 1 - (targets - rejected) / targets,
    });
  }
  return points;
}

/** The rate at which false alarms are as frequent as misses; between two points of the curve, on their line. */
export function equalErrorRate(points: readonly OperatingPoint[]): number {
  const after = points.findIndex(({ falseAlarm, miss }) => falseAlarm >= miss);
  const [a, b] = [points[after - 1]!, points[after]!];
  const before = a.miss - a.falseAlarm;
  const beyond = b.falseAlarm - b.miss;
  return a.falseAlarm + ((b.falseAlarm - a.falseAlarm) * before) / (before + beyond);
}

/** Area under the ROC curve: the chance that a pair of one speaker scores above a pair of two (ties: half). */
export function areaUnderRoc(points: readonly OperatingPoint[]): number {
  let area = 0;
  points.slice(1).forEach(({ falseAlarm, miss }, i) => {
    const before = points[i]!;
    area += (falseAlarm - before.falseAlarm) * (1 - (miss + before.miss) / 2);
  });
  return area;
}

/**
 * Least detection cost (NIST SRE): min over thresholds of P·miss + (1 − P)·falseAlarm, both errors costing 1, divided
 * by the cost of the better of always accepting and never.
 * @param prior P, how frequent pairs of one speaker are expected to be
 */
export function minimumDetectionCost(points: readonly OperatingPoint[], prior = 0.01): number {
  const costs = points.map(({ falseAlarm, miss }) => prior * miss + (1 - prior) * falseAlarm);
  return costs.reduce((least, cost) => Math.min(least, cost)) / Math.min(prior, 1 - prior);
}
