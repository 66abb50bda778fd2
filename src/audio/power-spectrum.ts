/**
 * Power spectra of 400-sample frames. Whisper's n_fft is not a power of two, so this is a mixed-radix
 * (4 · 4 · 5 · 5) Stockham FFT; two real frames ride in one complex transform.
 */
const N = 400;
/** Bins of a real spectrum: 0 … 8000 Hz in steps of 40 Hz. */
export const SPECTRUM_BINS = N / 2 + 1;

interface Stage {
  readonly radix: 4 | 5;
  /** Length of the sub-transforms that this stage leaves. */
  readonly rest: number;
  /** Product of the radices of earlier stages: the number of sub-transforms side by side. */
  readonly stride: number;
  /** cos and sin of -2π·p·j / (rest·radix), pairs in order [p, j = 1 … radix - 1]. */
  readonly twiddles: Float64Array;
}

const stages: Stage[] = [];
for (let length = N, stride = 1; length > 1; ) {
  const radix = length % 5 === 0 ? 5 : 4;
  const rest = length / radix;
  const twiddles = new Float64Array(rest * (radix - 1) * 2);
  for (let p = 0, at = 0; p < rest; p++) {
    for (let j = 1; j < radix; j++) {
      const angle = (-2 * Math.PI * p * j) / length;
      twiddles[at++] = Math.cos(angle);
      twiddles[at++] = Math.sin(angle);
    }
  }
  stages.push({ radix, rest, stride, twiddles });
  length = rest;
  stride *= radix;
}

const buffers = [0, 1].map(() => ({ re: new Float64Array(N), im: new Float64Array(N) }));

/** |FFT|² of the real frames `a` and `b` [400], written to `powerA` and `powerB` [201]. */
export function powerSpectra(
  a: Float64Array,
  b: Float64Array,
  powerA: Float64Array,
  powerB: Float64Array,
): void {
  let from = buffers[0]!;
  let to = buffers[1]!;
  from.re.set(a);
  from.im.set(b);
  for (const stage of stages) {
    const pass = stage.radix === 4 ? radix4 : radix5;
    pass(stage, from.re, from.im, to.re, to.im);
    [from, to] = [to, from];
  }
  // Z = A + iB with A, B the spectra of real signals: A = (Z[k] + Z*[-k]) / 2, B = (Z[k] - Z*[-k]) / 2i.
  const { re, im } = from;
  for (let k = 0; k < SPECTRUM_BINS; k++) {
    const mirror = k === 0 ? 0 : N - k;
    const sumRe = re[k]! + re[mirror]!;
    const sumIm = im[k]! + im[mirror]!;
    const differenceRe = re[k]! - re[mirror]!;
    const differenceIm = im[k]! - im[mirror]!;
    powerA[k] = (sumRe * sumRe + differenceIm * differenceIm) / 4;
    powerB[k] = (sumIm * sumIm + differenceRe * differenceRe) / 4;
  }
}

function radix4(
  stage: Stage,
  re: Float64Array,
  im: Float64Array,
  outRe: Float64Array,
  outIm: Float64Array,
): void {
  const { rest, stride, twiddles } = stage;
  const step = stride * rest;
  for (let p = 0; p < rest; p++) {
    const w = p * 6;
    const [c1, s1, c2, s2] = [twiddles[w]!, twiddles[w + 1]!, twiddles[w + 2]!, twiddles[w + 3]!];
    const [c3, s3] = [twiddles[w + 4]!, twiddles[w + 5]!];
    for (let q = 0; q < stride; q++) {
      const i0 = q + stride * p;
      const i1 = i0 + step;
      const i2 = i1 + step;
      const i3 = i2 + step;
      const evenRe = re[i0]! + re[i2]!;
      const evenIm = im[i0]! + im[i2]!;
      const evenDifferenceRe = re[i0]! - re[i2]!;
      const evenDifferenceIm = im[i0]! - im[i2]!;
      const oddRe = re[i1]! + re[i3]!;
      const oddIm = im[i1]! + im[i3]!;
      const oddDifferenceRe = re[i1]! - re[i3]!;
      const oddDifferenceIm = im[i1]! - im[i3]!;
      const o0 = q + stride * 4 * p;
      const o1 = o0 + stride;
      const o2 = o1 + stride;
      const o3 = o2 + stride;
      outRe[o0] = evenRe + oddRe;
      outIm[o0] = evenIm + oddIm;
      const x1 = evenDifferenceRe + oddDifferenceIm;
      const y1 = evenDifferenceIm - oddDifferenceRe;
      outRe[o1] = x1 * c1 - y1 * s1;
      outIm[o1] = x1 * s1 + y1 * c1;
      const x2 = evenRe - oddRe;
      const y2 = evenIm - oddIm;
      outRe[o2] = x2 * c2 - y2 * s2;
      outIm[o2] = x2 * s2 + y2 * c2;
      const x3 = evenDifferenceRe - oddDifferenceIm;
      const y3 = evenDifferenceIm + oddDifferenceRe;
      outRe[o3] = x3 * c3 - y3 * s3;
      outIm[o3] = x3 * s3 + y3 * c3;
    }
  }
}

const COS_72 = Math.cos((2 * Math.PI) / 5);
const COS_144 = Math.cos((4 * Math.PI) / 5);
const SIN_72 = Math.sin((2 * Math.PI) / 5);
const SIN_144 = Math.sin((4 * Math.PI) / 5);

function radix5(
  stage: Stage,
  re: Float64Array,
  im: Float64Array,
  outRe: Float64Array,
  outIm: Float64Array,
): void {
  const { rest, stride, twiddles } = stage;
  const step = stride * rest;
  for (let p = 0; p < rest; p++) {
    const w = p * 8;
    const [c1, s1, c2, s2] = [twiddles[w]!, twiddles[w + 1]!, twiddles[w + 2]!, twiddles[w + 3]!];
    const [c3, s3, c4, s4] = [twiddles[w + 4]!, twiddles[w + 5]!, twiddles[w + 6]!, twiddles[w + 7]!];
    for (let q = 0; q < stride; q++) {
      const i0 = q + stride * p;
      const i1 = i0 + step;
      const i2 = i1 + step;
      const i3 = i2 + step;
      const i4 = i3 + step;
      const re0 = re[i0]!;
      const im0 = im[i0]!;
      // Sums and differences of the inputs that are conjugate partners: (1, 4) and (2, 3).
      const sum14Re = re[i1]! + re[i4]!;
      const sum14Im = im[i1]! + im[i4]!;
      const sum23Re = re[i2]! + re[i3]!;
      const sum23Im = im[i2]! + im[i3]!;
      const diff14Re = re[i1]! - re[i4]!;
      const diff14Im = im[i1]! - im[i4]!;
      const diff23Re = re[i2]! - re[i3]!;
      const diff23Im = im[i2]! - im[i3]!;
      const nearRe = re0 + COS_72 * sum14Re + COS_144 * sum23Re;
      const nearIm = im0 + COS_72 * sum14Im + COS_144 * sum23Im;
      const farRe = re0 + COS_144 * sum14Re + COS_72 * sum23Re;
      const farIm = im0 + COS_144 * sum14Im + COS_72 * sum23Im;
      const nearTurnRe = SIN_72 * diff14Re + SIN_144 * diff23Re;
      const nearTurnIm = SIN_72 * diff14Im + SIN_144 * diff23Im;
      const farTurnRe = SIN_144 * diff14Re - SIN_72 * diff23Re;
      const farTurnIm = SIN_144 * diff14Im - SIN_72 * diff23Im;
      const o0 = q + stride * 5 * p;
      const o1 = o0 + stride;
      const o2 = o1 + stride;
      const o3 = o2 + stride;
      const o4 = o3 + stride;
      outRe[o0] = re0 + sum14Re + sum23Re;
      outIm[o0] = im0 + sum14Im + sum23Im;
      const x1 = nearRe + nearTurnIm;
      const y1 = nearIm - nearTurnRe;
      outRe[o1] = x1 * c1 - y1 * s1;
      outIm[o1] = x1 * s1 + y1 * c1;
      const x2 = farRe + farTurnIm;
      const y2 = farIm - farTurnRe;
      outRe[o2] = x2 * c2 - y2 * s2;
      outIm[o2] = x2 * s2 + y2 * c2;
      const x3 = farRe - farTurnIm;
      const y3 = farIm + farTurnRe;
      outRe[o3] = x3 * c3 - y3 * s3;
      outIm[o3] = x3 * s3 + y3 * c3;
      const x4 = nearRe - nearTurnIm;
      const y4 = nearIm + nearTurnRe;
      outRe[o4] = x4 * c4 - y4 * s4;
      outIm[o4] = x4 * s4 + y4 * c4;
    }
  }
}
