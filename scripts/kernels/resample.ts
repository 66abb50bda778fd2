// @ts-nocheck: this is AssemblyScript, the source of the bytes in src/audio/resample-kernel.ts. To remake them:
//   npx asc scripts/kernels/resample.ts --outFile out/resample.wasm -O3 --enable simd --runtime stub --importMemory --noExportMemory --use abort= && base64 -w0 out/resample.wasm

/** Sum of products of `taps` floats, a multiple of 16. */
function dot(filter: usize, signal: usize, taps: i32): f32 {
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  let c = f32x4.splat(0);
  let d = f32x4.splat(0);
  const end = filter + ((<usize>taps) << 2);
  while (filter < end) {
    a = f32x4.add(a, f32x4.mul(v128.load(filter), v128.load(signal)));
    b = f32x4.add(b, f32x4.mul(v128.load(filter, 16), v128.load(signal, 16)));
    c = f32x4.add(c, f32x4.mul(v128.load(filter, 32), v128.load(signal, 32)));
    d = f32x4.add(d, f32x4.mul(v128.load(filter, 48), v128.load(signal, 48)));
    filter += 64;
    signal += 64;
  }
  const sum = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  return (
    f32x4.extract_lane(sum, 0) +
    f32x4.extract_lane(sum, 1) +
    (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3))
  );
}

/**
 * `count` outputs at `out`, each `step / parts` inputs after the one before; the first lies `remainder / parts` of
 * an input after the centre of the taps at `signal`. `filters` holds `phases` + 1 rows of `taps` floats; a position
 * between two rows is interpolated. Pointers are in bytes.
 */
export function resample(
  filters: usize,
  phases: i32,
  taps: i32,
  signal: usize,
  step: i32,
  parts: i32,
  remainder: i32,
  out: usize,
  count: i32,
): void {
  const row = (<usize>taps) << 2;
  for (let n = 0; n < count; n++) {
    const exact = (<f64>remainder * <f64>phases) / <f64>parts;
    const phase = <i32>exact;
    const between = <f32>(exact - <f64>phase);
    const filter = filters + <usize>phase * row;
    let value = dot(filter, signal, taps);
    if (between > 0) value += between * (dot(filter + row, signal, taps) - value);
    store<f32>(out, value);
    out += 4;
    remainder += step;
    const whole = remainder / parts;
    remainder -= whole * parts;
    signal += (<usize>whole) << 2;
  }
}
