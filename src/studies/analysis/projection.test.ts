import { expect, test } from 'vitest';
import { pseudo } from '../../testing/tiny-model.ts';
import { principalComponents } from './projection.ts';

/** Points in a plane within 9 dimensions, far from the origin. */
function planar(): { rows: Float64Array[]; spread: readonly [number, number] } {
  const [a, b] = [pseudo(9, 1, 2), pseudo(9, 2, 2)];
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    Array.from({ length: 9 }, (_, k) => x[k]! * y[k]!).reduce((sum, value) => sum + value, 0);
  const first = Float64Array.from(a, (x) => x / Math.sqrt(dot(a, a)));
  const rest = Float64Array.from(b, (x, k) => x - dot(b, first) * first[k]!);
  const second = rest.map((x) => x / Math.sqrt(dot(rest, rest)));
  const corners = [
    [3, 1],
    [3, -1],
    [-3, 1],
    [-3, -1],
  ] as const;
  return {
    rows: corners.map(([u, v]) => first.map((x, k) => 5 + u * x + v * second[k]!)),
    spread: [9 / 10, 1 / 10],
  };
}

test('principal components of points in a plane are its axes, the longer first', () => {
  const { rows, spread } = planar();
  const { points, shares } = principalComponents(rows);
  points.forEach(([x, y]) => {
    expect(Math.abs(x!)).toBeCloseTo(3, 6);
    expect(Math.abs(y!)).toBeCloseTo(1, 6);
  });
  shares.forEach((share, i) => {
    expect(share).toBeCloseTo(spread[i]!, 6);
  });
});

test('distances of points in a plane are kept', () => {
  const { rows } = planar();
  const { points } = principalComponents(rows);
  const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Math.sqrt(Array.from(a, (x, k) => (x - b[k]!) ** 2).reduce((sum, value) => sum + value, 0));
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < i; j++) {
      expect(distance(points[i]!, points[j]!)).toBeCloseTo(distance(rows[i]!, rows[j]!), 6);
    }
  }
});
