import { expect, test } from 'vitest';
import { BLOCK, BLOCKS_SUFFIX, ROWS_SUFFIX, SCALES_SUFFIX } from '../graph/product-form.ts';
import { sfc32, uniform } from '../random.ts';
import { productWeights } from './product-weights.ts';

const [OUT, IN] = [70, 256];
const random = sfc32(3);
const whole = (limit: number): Int8Array =>
  Int8Array.from({ length: OUT * IN }, (_, i) =>
    // The largest of each row and group has the limit, as in a stored form.
    i % 32 === 0 ? limit : Math.round((2 * uniform(random) - 1) * limit),
  );
/** Numbers that float16 has. */
const scale = (row: number): number => (row + 1) / 1024;

test('weights that were stored in 8 bits have their own numbers and scales', () => {
  const stored = whole(127);
  const data = Float32Array.from(stored, (q, i) => q * scale(Math.floor(i / IN)));
  const laidOut = productWeights(() => ({ data, dims: [OUT, IN] }));
  const rows = laidOut(`w${ROWS_SUFFIX}`) as Int8Array;
  expect(rows).toEqual(
    Int8Array.from({ length: OUT * IN }, (_, i) => stored[(i % OUT) * IN + Math.floor(i / OUT)]!),
  );
  const scales = Float32Array.from({ length: OUT }, (_, row) => scale(row));
  expect(laidOut(`w${ROWS_SUFFIX}${SCALES_SUFFIX}`)).toEqual(scales);
  expect(laidOut(`w${BLOCKS_SUFFIX[8]}`)).toEqual(Uint8Array.from(stored, (q) => q + 128));
  const perRow = IN / BLOCK[8];
  expect(laidOut(`w${BLOCKS_SUFFIX[8]}${SCALES_SUFFIX}`)).toEqual(
    Float32Array.from({ length: OUT * perRow }, (_, i) => scales[Math.floor(i / perRow)]!),
  );
});

test('weights that were stored in 4 bits have their own numbers and scales', () => {
  const stored = whole(7);
  const data = Float32Array.from(stored, (q, i) => q * scale(Math.floor(i / BLOCK[4])));
  const laidOut = productWeights(() => ({ data, dims: [OUT, IN] }));
  expect(laidOut(`w${BLOCKS_SUFFIX[4]}`)).toEqual(
    Uint8Array.from(
      { length: (OUT * IN) / 2 },
      (_, i) => stored[2 * i]! + 8 + ((stored[2 * i + 1]! + 8) << 4),
    ),
  );
  expect(laidOut(`w${BLOCKS_SUFFIX[4]}${SCALES_SUFFIX}`)).toEqual(
    Float32Array.from({ length: (OUT * IN) / BLOCK[4] }, (_, i) => scale(i)),
  );
});

test('rows of any number and any length are rounded with their own scales', () => {
  const [rows, columns] = [300, 10];
  const data = Float32Array.from({ length: rows * columns }, () => uniform(random) - 0.5);
  const laidOut = productWeights(() => ({ data, dims: [rows, columns] }));
  const values = laidOut(`w${ROWS_SUFFIX}`) as Int8Array;
  const scales = laidOut(`w${ROWS_SUFFIX}${SCALES_SUFFIX}`) as Float32Array;
  expect(values.length).toBe(rows * columns);
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * columns, (row + 1) * columns);
    expect(scales[row]).toBe(Math.fround(Math.max(...own.map(Math.abs)) / 127));
    own.forEach((weight, i) => {
      expect(Math.abs(values[i * rows + row]! - weight / scales[row]!)).toBeLessThan(0.50001);
    });
  }
});

test('a row of zeros has a scale above 0, and other names are no product weights', () => {
  const laidOut = productWeights(() => ({ data: new Float32Array(2 * IN), dims: [2, IN] }));
  expect(laidOut(`w${ROWS_SUFFIX}`)).toEqual(new Int8Array(2 * IN));
  expect(laidOut(`w${ROWS_SUFFIX}${SCALES_SUFFIX}`)).toEqual(Float32Array.of(1, 1));
  expect(laidOut('w')).toBeUndefined();
  expect(laidOut('w.scale')).toBeUndefined();
});
