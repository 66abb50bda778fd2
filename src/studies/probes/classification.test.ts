/** Accuracy, macro-F1 and confusion against scikit-learn (scripts/golden/classification.py). */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { accuracy, confusionMatrix, labelScores, macroF1, majorityShare } from './classification.ts';

const { cases } = JSON.parse(
  readFileSync(new URL('./golden/classification.json', import.meta.url), 'utf8'),
) as {
  cases: {
    labels: number;
    truth: number[];
    predicted: number[];
    confusion: number[][];
    accuracy: number;
    macroF1: number;
    f1: number[];
  }[];
};

test.each(cases)('case %# equals scikit-learn’s, labels without clips included', (golden) => {
  const labels = Array.from({ length: golden.labels }, (_, i) => `label ${i}`);
  const counts = confusionMatrix({ ...golden, labels });
  expect(counts).toEqual(golden.confusion);
  expect(accuracy(counts)).toBeCloseTo(golden.accuracy, 12);
  expect(macroF1(counts)).toBeCloseTo(golden.macroF1, 12);
  labelScores(counts).forEach(({ f1 }, i) => expect(f1).toBeCloseTo(golden.f1[i]!, 12));
});

test('who always says the commonest label is right as often as it is true', () => {
  expect(
    majorityShare([
      [1, 2],
      [3, 4],
    ]),
  ).toBe(0.7);
});
