/** Seeded random numbers: the project's only source of chance, so that every run can be repeated. */

/**
 * Seeded uniform 32-bit integers (Chris Doty-Humphrey's sfc32, from PractRand): enough for 10,000 resamples of large
 * corpora, and a dozen lines in any language, so a resampling can be repeated elsewhere.
 */
export function sfc32(seed: number): () => number {
  let a = 0x9e3779b9 | 0;
  let b = 0x243f6a88 | 0;
  let c = 0xb7e15162 | 0;
  let counter = (seed ^ 0xdeadbeef) | 0;
  const next = () => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    c |= 0;
    return result >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}

/** A uniform number in [0, 1), a multiple of 2^-32. */
export function uniform(random: () => number): number {
  return random() / 2 ** 32;
}

/** A standard normal number (Box and Muller 1958). */
export function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - uniform(random))) * Math.cos(2 * Math.PI * uniform(random));
}

/** Uniform within ± `bound`: with 1/√inputs, a weight as PyTorch's Linear begins. */
export function uniformValues(count: number, bound: number, random: () => number): Float32Array {
  return Float32Array.from({ length: count }, () => (2 * uniform(random) - 1) * bound);
}

/** A uniform integer in [0, n), for n up to 2^20. */
export function below(n: number, random: () => number): number {
  return Math.floor(uniform(random) * n);
}

/** Fisher–Yates, in place. */
export function shuffle<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(i + 1, random);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
