// @ts-nocheck: this is AssemblyScript, the source of the bytes in src/audio/resample-kernel.ts. To remake them:
//   npx asc scripts/kernels/resample.ts --outFile out/resample.wasm -O3 --enable simd --runtime stub --importMemory --noExportMemory --use abort= && base64 -w0 out/resample.wasm

function sumOf(a: v128, b: v128, c: v128, d: v128): f32 {
  const sum = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  return (
    f32x4.extract_lane(sum, 0) +
    f32x4.extract_lane(sum, 1) +
    (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3))
  );
}

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
  return sumOf(a, b, c, d);
}

/** Two of them with the same filter, which is loaded once. */
function dots(filter: usize, signal: usize, apart: usize, taps: i32, out: usize, outApart: usize): void {
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  let c = f32x4.splat(0);
  let d = f32x4.splat(0);
  let e = f32x4.splat(0);
  let f = f32x4.splat(0);
  let g = f32x4.splat(0);
  let h = f32x4.splat(0);
  let other = signal + apart;
  const end = filter + ((<usize>taps) << 2);
  while (filter < end) {
    const p = v128.load(filter);
    const q = v128.load(filter, 16);
    a = f32x4.add(a, f32x4.mul(p, v128.load(signal)));
    e = f32x4.add(e, f32x4.mul(p, v128.load(other)));
    b = f32x4.add(b, f32x4.mul(q, v128.load(signal, 16)));
    f = f32x4.add(f, f32x4.mul(q, v128.load(other, 16)));
    const r = v128.load(filter, 32);
    const s = v128.load(filter, 48);
    c = f32x4.add(c, f32x4.mul(r, v128.load(signal, 32)));
    g = f32x4.add(g, f32x4.mul(r, v128.load(other, 32)));
    d = f32x4.add(d, f32x4.mul(s, v128.load(signal, 48)));
    h = f32x4.add(h, f32x4.mul(s, v128.load(other, 48)));
    filter += 64;
    signal += 64;
    other += 64;
  }
  store<f32>(out, sumOf(a, b, c, d));
  store<f32>(out + outApart, sumOf(e, f, g, h));
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
  const whole = step / parts;
  const rest = step - whole * parts;
  let n = 0;
  if (phases === parts) {
    // Outputs `parts` apart have the same filter.
    const apart = (<usize>step) << 2;
    const outApart = (<usize>parts) << 2;
    for (; n + 2 * parts <= count; n += 2 * parts) {
      for (let i = 0; i < parts; i++) {
        dots(filters + <usize>remainder * row, signal, apart, taps, out, outApart);
        out += 4;
        signal += (<usize>whole) << 2;
        remainder += rest;
        if (remainder >= parts) {
          remainder -= parts;
          signal += 4;
        }
      }
      out += outApart;
      signal += apart;
    }
  }
  for (; n < count; n++) {
    const exact = (<f64>remainder * <f64>phases) / <f64>parts;
    const phase = <i32>exact;
    const between = <f32>(exact - <f64>phase);
    const filter = filters + <usize>phase * row;
    let value = dot(filter, signal, taps);
    if (between > 0) value += between * (dot(filter + row, signal, taps) - value);
    store<f32>(out, value);
    out += 4;
    signal += (<usize>whole) << 2;
    remainder += rest;
    if (remainder >= parts) {
      remainder -= parts;
      signal += 4;
    }
  }
}
