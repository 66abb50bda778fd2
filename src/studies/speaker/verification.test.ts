/** ROC area, equal error rate, detection cost and DET points against scikit-learn (scripts/golden/classification.py). */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { UserError } from '../../errors.ts';
import { areaUnderRoc, equalErrorRate, minimumDetectionCost, operatingPoints } from './verification.ts';

const { cases } = JSON.parse(
  readFileSync(new URL('./golden/verification.json', import.meta.url), 'utf8'),
) as {
  cases: {
    scores: number[];
    same: number[];
    auc: number;
    eer: number;
    minDcf: Record<string, number>;
    det: [number, number][];
  }[];
};

test.each(cases)('case %# equals scikit-learn’s, ties included', ({
  scores,
  same,
  auc,
  eer,
  minDcf,
  det,
}) => {
  const points = operatingPoints(scores, same.map(Boolean));
  expect(areaUnderRoc(points)).toBeCloseTo(auc, 10);
  expect(equalErrorRate(points)).toBeCloseTo(eer, 10);
  for (const [prior, cost] of Object.entries(minDcf))
    expect(minimumDetectionCost(points, Number(prior))).toBeCloseTo(cost, 10);
  for (const [falseAlarm, miss] of det) {
    const distance = points.map((p) => Math.hypot(p.falseAlarm - falseAlarm, p.miss - miss));
    expect(Math.min(...distance)).toBeLessThan(1e-10);
  }
});

test('scores of one kind of pair only are refused', () => {
  expect(() => operatingPoints([1, 2], [true, true])).toThrow(UserError);
});
