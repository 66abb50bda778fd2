// @ts-nocheck: this is AssemblyScript, compiled to dist/backend/adamw.wasm by the build. Pointers are in bytes; counts are multiples of 4.

/** Sum of squares, accumulated in double precision. */
export function sumOfSquares(values: usize, count: i32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const end = values + ((<usize>count) << 2);
  while (values < end) {
    const x = v128.load(values);
    const a = f64x2.promote_low_f32x4(x);
    const b = f64x2.promote_low_f32x4(i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
    values += 16;
  }
  const total = f64x2.add(low, high);
  return f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
}

/** sums + factor · values into the sums; without `keep`, only factor · values. */
export function addScaled(sums: usize, values: usize, count: i32, keep: bool, factor: f32): void {
  const f = f32x4.splat(factor);
  const bytes = (<usize>count) << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.mul(v128.load(values + i), f);
    v128.store(sums + i, keep ? f32x4.add(v128.load(sums + i), x) : x);
  }
}

/** One AdamW step. `decay` is 1 − learningRate·weightDecay; the corrections are 1 − β1ᵗ and √(1 − β2ᵗ). */
export function step(
  parameters: usize,
  gradients: usize,
  means: usize,
  squares: usize,
  count: i32,
  learningRate: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  decay: f32,
  correction1: f32,
  correction2: f32,
  gradientScale: f32,
): void {
  const b1 = f32x4.splat(beta1);
  const c1 = f32x4.splat(<f32>1 - beta1);
  const b2 = f32x4.splat(beta2);
  const c2 = f32x4.splat(<f32>1 - beta2);
  const size = f32x4.splat(learningRate / correction1);
  const unbias = f32x4.splat(<f32>1 / correction2);
  const eps = f32x4.splat(epsilon);
  const keep = f32x4.splat(decay);
  const factor = f32x4.splat(gradientScale);
  const bytes = (<usize>count) << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const g = f32x4.mul(v128.load(gradients + i), factor);
    const m = f32x4.add(f32x4.mul(b1, v128.load(means + i)), f32x4.mul(c1, g));
    const v = f32x4.add(f32x4.mul(b2, v128.load(squares + i)), f32x4.mul(c2, f32x4.mul(g, g)));
    const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(v), unbias), eps);
    const p = f32x4.mul(v128.load(parameters + i), keep);
    v128.store(means + i, m);
    v128.store(squares + i, v);
    v128.store(parameters + i, f32x4.sub(p, f32x4.div(f32x4.mul(size, m), denominator)));
  }
}
