// @ts-nocheck: this is AssemblyScript, the source of the bytes in src/audio/mel-kernel.ts. To remake them:
//   npx asc scripts/kernels/mel-energies.ts --outFile out/mel-energies.wasm -O3 --enable simd --runtime stub --importMemory --noExportMemory --use abort= && base64 -w0 out/mel-energies.wasm

/** Samples of a frame, and from one frame to the next. */
const FRAME: i32 = 400;
const HOP: i32 = 160;
/** Bins of a real spectrum. */
const BINS: i32 = 201;
/** Bytes of one array of a spectrum: two numbers a bin. */
const ARRAY: usize = 400 << 4;

function mul(a: v128, b: v128): v128 {
  return f64x2.mul(a, b);
}
function add(a: v128, b: v128): v128 {
  return f64x2.add(a, b);
}
function sub(a: v128, b: v128): v128 {
  return f64x2.sub(a, b);
}
function number(at: usize): v128 {
  return v128.load64_splat(at);
}
/** Writes the product of a complex number and the twiddle factor at `w`. */
function storeTurned(to: usize, re: v128, im: v128, w: usize): void {
  const c = number(w);
  const s = number(w + 8);
  v128.store(to, sub(mul(re, c), mul(im, s)));
  v128.store(to + ARRAY, add(mul(re, s), mul(im, c)));
}

/** A pass of the Stockham FFT: `rest` is the length of the transforms that it leaves, `stride` the number side by side. */
function radix4(from: usize, to: usize, rest: i32, stride: i32, twiddles: usize): void {
  const step = (<usize>(stride * rest)) << 4;
  const next = (<usize>stride) << 4;
  let w = twiddles;
  for (let p = 0; p < rest; p++) {
    for (let q = 0; q < stride; q++) {
      const i0 = from + ((<usize>(q + stride * p)) << 4);
      const i1 = i0 + step;
      const i2 = i1 + step;
      const i3 = i2 + step;
      const re0 = v128.load(i0);
      const re1 = v128.load(i1);
      const re2 = v128.load(i2);
      const re3 = v128.load(i3);
      const im0 = v128.load(i0 + ARRAY);
      const im1 = v128.load(i1 + ARRAY);
      const im2 = v128.load(i2 + ARRAY);
      const im3 = v128.load(i3 + ARRAY);
      const evenRe = add(re0, re2);
      const evenIm = add(im0, im2);
      const evenDifferenceRe = sub(re0, re2);
      const evenDifferenceIm = sub(im0, im2);
      const oddRe = add(re1, re3);
      const oddIm = add(im1, im3);
      const oddDifferenceRe = sub(re1, re3);
      const oddDifferenceIm = sub(im1, im3);
      const o0 = to + ((<usize>(q + stride * 4 * p)) << 4);
      v128.store(o0, add(evenRe, oddRe));
      v128.store(o0 + ARRAY, add(evenIm, oddIm));
      storeTurned(
        o0 + next,
        add(evenDifferenceRe, oddDifferenceIm),
        sub(evenDifferenceIm, oddDifferenceRe),
        w,
      );
      storeTurned(o0 + 2 * next, sub(evenRe, oddRe), sub(evenIm, oddIm), w + 16);
      storeTurned(
        o0 + 3 * next,
        sub(evenDifferenceRe, oddDifferenceIm),
        add(evenDifferenceIm, oddDifferenceRe),
        w + 32,
      );
    }
    w += 48;
  }
}

/** @param circle cos and sin of 2π/5, then of 4π/5 */
function radix5(from: usize, to: usize, rest: i32, stride: i32, twiddles: usize, circle: usize): void {
  const COS_72 = number(circle);
  const SIN_72 = number(circle + 8);
  const COS_144 = number(circle + 16);
  const SIN_144 = number(circle + 24);
  const step = (<usize>(stride * rest)) << 4;
  const next = (<usize>stride) << 4;
  let w = twiddles;
  for (let p = 0; p < rest; p++) {
    for (let q = 0; q < stride; q++) {
      const i0 = from + ((<usize>(q + stride * p)) << 4);
      const i1 = i0 + step;
      const i2 = i1 + step;
      const i3 = i2 + step;
      const i4 = i3 + step;
      const re0 = v128.load(i0);
      const im0 = v128.load(i0 + ARRAY);
      const re1 = v128.load(i1);
      const im1 = v128.load(i1 + ARRAY);
      const re2 = v128.load(i2);
      const im2 = v128.load(i2 + ARRAY);
      const re3 = v128.load(i3);
      const im3 = v128.load(i3 + ARRAY);
      const re4 = v128.load(i4);
      const im4 = v128.load(i4 + ARRAY);
      // Sums and differences of the inputs that are conjugate partners: (1, 4) and (2, 3).
      const sum14Re = add(re1, re4);
      const sum14Im = add(im1, im4);
      const sum23Re = add(re2, re3);
      const sum23Im = add(im2, im3);
      const diff14Re = sub(re1, re4);
      const diff14Im = sub(im1, im4);
      const diff23Re = sub(re2, re3);
      const diff23Im = sub(im2, im3);
      const nearRe = add(add(re0, mul(COS_72, sum14Re)), mul(COS_144, sum23Re));
      const nearIm = add(add(im0, mul(COS_72, sum14Im)), mul(COS_144, sum23Im));
      const farRe = add(add(re0, mul(COS_144, sum14Re)), mul(COS_72, sum23Re));
      const farIm = add(add(im0, mul(COS_144, sum14Im)), mul(COS_72, sum23Im));
      const nearTurnRe = add(mul(SIN_72, diff14Re), mul(SIN_144, diff23Re));
      const nearTurnIm = add(mul(SIN_72, diff14Im), mul(SIN_144, diff23Im));
      const farTurnRe = sub(mul(SIN_144, diff14Re), mul(SIN_72, diff23Re));
      const farTurnIm = sub(mul(SIN_144, diff14Im), mul(SIN_72, diff23Im));
      const o0 = to + ((<usize>(q + stride * 5 * p)) << 4);
      v128.store(o0, add(add(re0, sum14Re), sum23Re));
      v128.store(o0 + ARRAY, add(add(im0, sum14Im), sum23Im));
      storeTurned(o0 + next, add(nearRe, nearTurnIm), sub(nearIm, nearTurnRe), w);
      storeTurned(o0 + 2 * next, add(farRe, farTurnIm), sub(farIm, farTurnRe), w + 16);
      storeTurned(o0 + 3 * next, sub(farRe, farTurnIm), add(farIm, farTurnRe), w + 32);
      storeTurned(o0 + 4 * next, sub(nearRe, nearTurnIm), add(nearIm, nearTurnRe), w + 48);
    }
    w += 64;
  }
}

/** Two samples, `2 · HOP` apart, times the window. */
function windowed(signal: usize, weight: v128): v128 {
  const late = signal + ((2 * HOP) << 2);
  return mul(f64x2.replace_lane(f64x2.splat(<f64>load<f32>(signal)), 1, <f64>load<f32>(late)), weight);
}

/**
 * Energies of mel bands [melBins, frames] of frames of `signal`, a multiple of 4. Two real frames ride in one complex
 * transform, as its real and imaginary part, and two transforms in the lanes of a vector: frames 0 and 1, 2 and 3.
 *
 * @param hann window, 400 numbers
 * @param circle, twiddles of the passes: 5, 5, 4, 4
 * @param filters of each band its first bin and the number of its weights, i32
 * @param weights of all bands, one after the other
 * @param work 4 arrays of 400 times two numbers, two of 201
 * @param out rows of `stride` numbers
 */
export function melEnergies(
  signal: usize,
  frames: i32,
  hann: usize,
  circle: usize,
  twiddles: usize,
  filters: usize,
  weights: usize,
  melBins: i32,
  work: usize,
  out: usize,
  stride: i32,
): void {
  const one = work;
  const other = work + 2 * ARRAY;
  const powerA = other + 2 * ARRAY;
  const powerB = powerA + ((<usize>BINS) << 4);
  const quarter = f64x2.splat(0.25);
  const row = (<usize>stride) << 3;
  for (let t = 0; t < frames; t += 4) {
    let sample = signal + ((<usize>(t * HOP)) << 2);
    for (let i = 0; i < FRAME; i++) {
      const weight = number(hann + ((<usize>i) << 3));
      const to = one + ((<usize>i) << 4);
      v128.store(to, windowed(sample, weight));
      v128.store(to + ARRAY, windowed(sample + (HOP << 2), weight));
      sample += 4;
    }
    let w = twiddles;
    radix5(one, other, 80, 1, w, circle);
    w += 80 << 6;
    radix5(other, one, 16, 5, w, circle);
    w += 16 << 6;
    radix4(one, other, 4, 25, w);
    w += 4 * 48;
    radix4(other, one, 1, 100, w);
    // Z = A + iB with A, B the spectra of real signals: A = (Z[k] + Z*[-k]) / 2, B = (Z[k] - Z*[-k]) / 2i.
    for (let k = 0; k < BINS; k++) {
      const here = one + ((<usize>k) << 4);
      const mirror = k === 0 ? one : one + ((<usize>(FRAME - k)) << 4);
      const re = v128.load(here);
      const im = v128.load(here + ARRAY);
      const mirrorRe = v128.load(mirror);
      const mirrorIm = v128.load(mirror + ARRAY);
      const sumRe = add(re, mirrorRe);
      const sumIm = add(im, mirrorIm);
      const differenceRe = sub(re, mirrorRe);
      const differenceIm = sub(im, mirrorIm);
      const at = (<usize>k) << 4;
      v128.store(powerA + at, mul(add(mul(sumRe, sumRe), mul(differenceIm, differenceIm)), quarter));
      v128.store(powerB + at, mul(add(mul(sumIm, sumIm), mul(differenceRe, differenceRe)), quarter));
    }
    let weight = weights;
    let to = out + ((<usize>t) << 3);
    for (let m = 0; m < melBins; m++) {
      let bin = (<usize>load<i32>(filters + ((<usize>m) << 3))) << 4;
      const end = weight + ((<usize>load<i32>(filters + ((<usize>m) << 3), 4)) << 3);
      let a = f64x2.splat(0);
      let b = f64x2.splat(0);
      for (; weight < end; weight += 8) {
        const factor = number(weight);
        a = add(a, mul(factor, v128.load(powerA + bin)));
        b = add(b, mul(factor, v128.load(powerB + bin)));
        bin += 16;
      }
      v128.store(to, v128.shuffle<f64>(a, b, 0, 2));
      v128.store(to + 16, v128.shuffle<f64>(a, b, 1, 3));
      to += row;
    }
  }
}
