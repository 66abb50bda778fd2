// @ts-nocheck: this is AssemblyScript, compiled to dist/backend/row-scales.wasm by the build. Pointers are in bytes.

/** The float16 nearest to x ≥ 0 (ties to even), but not less than the smallest above 0. */
function float16(x: f32): f32 {
  // Below 2^-14 float16 has a fixed step; above it ten bits after the first.
  if (x < <f32>6.103515625e-5) return max<f32>(<f32>1, nearest<f32>(x * <f32>16777216)) / <f32>16777216;
  const bits = reinterpret<u32>(x);
  return reinterpret<f32>((bits + 0xfff + ((bits >> 13) & 1)) & 0xffffe000);
}

/**
 * For each row the scale, a float16, of largest·ratio / limit with the least squared error, Σ (w − s·q)² with q = w/s rounded (ties to
 * even) and cut off at ±limit; the first of equal ones.
 * @param columns a multiple of 4: shorter rows end in zeros
 */
export function rowScales(
  weights: usize,
  rows: i32,
  columns: i32,
  ratios: usize,
  ratioCount: i32,
  limit: f32,
  scales: usize,
): void {
  const bytes = (<usize>columns) << 2;
  const high = f32x4.splat(limit);
  const low = f32x4.splat(-limit);
  for (let row = 0; row < rows; row++, weights += bytes) {
    let most = f32x4.splat(0);
    for (let i: usize = 0; i < bytes; i += 16) most = f32x4.max(most, f32x4.abs(v128.load(weights + i)));
    const largest = max<f32>(
      max<f32>(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
      max<f32>(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
    );
    let least: f32 = Infinity;
    let best = float16(largest / limit);
    for (let r = 0; r < ratioCount; r++) {
      const scale = float16((largest * load<f32>(ratios + ((<usize>r) << 2))) / limit);
      const steps = f32x4.splat(scale);
      const inverse = f32x4.splat(<f32>1 / scale);
      let squares = f32x4.splat(0);
      for (let i: usize = 0; i < bytes; i += 16) {
        const w = v128.load(weights + i);
        const q = f32x4.max(low, f32x4.min(high, f32x4.nearest(f32x4.mul(w, inverse))));
        const lost = f32x4.sub(w, f32x4.mul(q, steps));
        squares = f32x4.add(squares, f32x4.mul(lost, lost));
      }
      const error =
        f32x4.extract_lane(squares, 0) +
        f32x4.extract_lane(squares, 1) +
        f32x4.extract_lane(squares, 2) +
        f32x4.extract_lane(squares, 3);
      if (error < least) {
        least = error;
        best = scale;
      }
    }
    store<f32>(scales + ((<usize>row) << 2), best);
  }
}
