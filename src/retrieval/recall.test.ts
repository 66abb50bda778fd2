import fc from 'fast-check';
import { expect, test } from 'vitest';
import { answerRanks, recall, transposed } from './recall.ts';

test('R@k and MRR of a matrix worked out by hand', () => {
  // Ranks of the answers: 1, 2, 3.
  const matrix = Float32Array.of(0.9, 0.1, 0.2, 0.8, 0.5, 0.3, 0.7, 0.6, 0.1);
  const result = recall(matrix, 3, 3, [0, 1, 2]);
  expect(result).toEqual({ r1: 1 / 3, r5: 1, r10: 1, mrr: (1 + 1 / 2 + 1 / 3) / 3, chance: 1 / 3 });
});

test('several sources may have the same answer, and there may be more candidates than sources', () => {
  const matrix = Float32Array.of(1, 2, 3, 4, 1, 2, 3, 4);
  expect(answerRanks(matrix, 2, 4, [3, 2])).toEqual([1, 2]);
});

test('equal scores earn nothing: the answer stands in the middle of its equals', () => {
  expect(recall(new Float32Array(9), 3, 3, [0, 1, 2]).r1).toBe(0);
  expect(answerRanks(new Float32Array(9), 3, 3, [0, 1, 2])).toEqual([2, 2, 2]);
});

test('what is not a number ranks last, whether it is the answer or not', () => {
  const matrix = Float32Array.of(Number.NaN, 0.5, 0.2, Number.NaN, -0.5, 0.2);
  expect(answerRanks(matrix, 2, 3, [0, 1])).toEqual([3, 2]);
});

test('answers and sizes that do not fit are refused', () => {
  expect(() => recall(new Float32Array(6), 2, 3, [0, 3])).toThrow('not among 3 candidates');
  expect(() => recall(new Float32Array(5), 2, 3, [0, 1])).toThrow('do not fit');
});

test('the transpose of the transpose is the matrix, and R@k never falls with k', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), fc.nat(), (n, m, seed) => {
      const matrix = Float32Array.from({ length: n * m }, (_, i) => Math.sin(i * 7.3 + seed));
      expect(transposed(transposed(matrix, n, m), m, n)).toEqual(matrix);
      const { r1, r5, r10, mrr } = recall(
        matrix,
        n,
        m,
        Array.from({ length: n }, (_, i) => i % m),
      );
      expect(r1).toBeLessThanOrEqual(r5);
      expect(r5).toBeLessThanOrEqual(r10);
      expect(mrr).toBeGreaterThanOrEqual(r1);
    }),
  );
});
