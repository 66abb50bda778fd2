// @ts-nocheck: this is AssemblyScript, compiled to dist/backend/byte-rows.wasm by the build. Pointers are in bytes.

/** Four weights of each of four rows as bytes: the first of each row, the second, and so on. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function columnsOf(from: usize, stride: usize, inverses: usize): v128 {
  const a = rounded(from, v128.load32_splat(inverses));
  const b = rounded(from + stride, v128.load32_splat(inverses, 4));
  const c = rounded(from + 2 * stride, v128.load32_splat(inverses, 8));
  const d = rounded(from + 3 * stride, v128.load32_splat(inverses, 12));
  const bytes = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
  return i8x16.shuffle(bytes, bytes, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

/** Ties are rounded to even. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function rounded(from: usize, inverse: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(from), inverse)));
}

/**
 * Whole numbers in ±127 and a scale for each row: its largest size / 127, or 1 in a row of zeros.
 * @param weights float32 [rows, columns]
 * @param rows a multiple of 16
 * @param columns a multiple of 4
 * @param values int8 [columns, rows], written: transposed
 * @param scales float32 [rows], written
 * @param inverses float32 [rows], written
 */
export function byteRows(
  weights: usize,
  rows: i32,
  columns: i32,
  values: usize,
  scales: usize,
  inverses: usize,
): void {
  const stride = (<usize>columns) << 2;
  const count = <usize>rows;
  for (let row: usize = 0; row < count; row++) {
    const from = weights + row * stride;
    let largest = f32x4.splat(0);
    for (let i: usize = 0; i < stride; i += 16) {
      largest = f32x4.max(largest, f32x4.abs(v128.load(from + i)));
    }
    const size = max(
      max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
      max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
    );
    const scale: f32 = size === <f32>0 ? <f32>1 : size / <f32>127;
    store<f32>(scales + (row << 2), scale);
    store<f32>(inverses + (row << 2), <f32>1 / scale);
  }
  for (let row: usize = 0; row < count; row += 16) {
    const by = inverses + (row << 2);
    for (let i: usize = 0; i < stride; i += 16) {
      const from = weights + row * stride + i;
      const a = columnsOf(from, stride, by);
      const b = columnsOf(from + 4 * stride, stride, by + 16);
      const c = columnsOf(from + 8 * stride, stride, by + 32);
      const d = columnsOf(from + 12 * stride, stride, by + 48);
      // Four rows by four columns each: a column of sixteen rows is one of each.
      const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
      const cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
      const ab2 = i32x4.shuffle(a, b, 2, 6, 3, 7);
      const cd2 = i32x4.shuffle(c, d, 2, 6, 3, 7);
      const to = values + (i >> 2) * count + row;
      v128.store(to, i64x2.shuffle(ab, cd, 0, 2));
      v128.store(to + count, i64x2.shuffle(ab, cd, 1, 3));
      v128.store(to + 2 * count, i64x2.shuffle(ab2, cd2, 0, 2));
      v128.store(to + 3 * count, i64x2.shuffle(ab2, cd2, 1, 3));
    }
  }
}
