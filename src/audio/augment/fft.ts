/** Fast Fourier transform of a power of two, in place. */

/** Radix 2, decimation in time. @param re, im real and imaginary parts, 2^k numbers each */
export function fft(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  const { cos, sin } = rootsOf(n);
  for (let half = 1; half < n; half *= 2) {
    const stride = n / (2 * half);
    for (let start = 0; start < n; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const [c, s] = [cos[k * stride]!, sin[k * stride]!];
        const a = start + k;
        const b = a + half;
        const x = re[b]! * c - im[b]! * s;
        const y = re[b]! * s + im[b]! * c;
        re[b] = re[a]! - x;
        im[b] = im[a]! - y;
        re[a] = re[a]! + x;
        im[a] = im[a]! + y;
      }
    }
  }
}

/** Twiddle factors e^(−2πik / n), k < n / 2, cached: computing them takes as long as a transform. */
interface Roots {
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

const known = new Map<number, Roots>();

function rootsOf(n: number): Roots {
  let roots = known.get(n);
  if (!roots) {
    roots = {
      cos: Float64Array.from({ length: n / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / n)),
      sin: Float64Array.from({ length: n / 2 }, (_, k) => -Math.sin((2 * Math.PI * k) / n)),
    };
    known.set(n, roots);
  }
  return roots;
}
