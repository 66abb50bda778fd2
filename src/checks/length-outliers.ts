/**
 * Pairs of lengths that are out of proportion, by the corpus's own proportion: a translation and its source, a text and the speech
 * of it. As Gale & Church (1993) have it for sentence alignment, a length y is c·x on the mean, and varies by the root of it; here c
 * is a median and the spread a median absolute deviation, so that faults do not hide themselves.
 */

/** Fewer pairs say nothing of the rest. */
const MIN_PAIRS = 50;
/** Spreads (of the normal distribution, as a median tells them) from which a pair is an outlier. */
const MAX_DEVIATION = 6;
/** MAD of the normal distribution with a spread of 1. */
const MAD_OF_NORMAL = 0.6745;
/** Lengths below this vary as it does: of one word no proportion is known. */
const MIN_LENGTH = 10;

export interface LengthPair {
  readonly row: number;
  readonly x: number;
  readonly y: number;
}

export interface OutlierOptions {
  /** Least factor between a length and the one in proportion. */
  readonly minFactor: number;
  /** Least length of one of the two. Default 0. */
  readonly minLength?: number | undefined;
}

/** Pairs in typed arrays: a million take 12 MB. */
export class LengthPairs {
  #rows = new Uint32Array(256);
  #x = new Float32Array(256);
  #y = new Float32Array(256);
  #count = 0;

  /** Lengths above 0. */
  add(row: number, x: number, y: number): void {
    if (this.#count === this.#rows.length) {
      this.#rows = doubled(this.#rows, Uint32Array);
      this.#x = doubled(this.#x, Float32Array);
      this.#y = doubled(this.#y, Float32Array);
    }
    this.#rows[this.#count] = row;
    this.#x[this.#count] = x;
    this.#y[this.#count++] = y;
  }

  /** The pairs that are out of proportion, in order. */
  outliers({ minFactor, minLength = 0 }: OutlierOptions): {
    readonly proportion: number;
    readonly pairs: LengthPair[];
  } {
    const pairs: LengthPair[] = [];
    const lengths = this.#x.subarray(0, this.#count);
    const proportion = median(Float64Array.from(lengths, (x, i) => this.#y[i]! / x));
    if (this.#count < MIN_PAIRS) return { proportion, pairs };
    const deviations = Float64Array.from(lengths, (x, i) => {
      const expected = proportion * x;
      return (this.#y[i]! - expected) / Math.sqrt(Math.max(expected, MIN_LENGTH));
    });
    const middle = median(deviations.slice());
    const spread = median(deviations.map((one) => Math.abs(one - middle))) / MAD_OF_NORMAL;
    for (let i = 0; i < this.#count; i++) {
      const [x, y] = [this.#x[i]!, this.#y[i]!];
      if (Math.abs(deviations[i]! - middle) <= MAX_DEVIATION * spread) continue;
      const factor = Math.max(y, 1) / Math.max(proportion * x, 1);
      if ((factor < minFactor && factor > 1 / minFactor) || Math.max(x, y) < minLength) continue;
      pairs.push({ row: this.#rows[i]!, x, y });
    }
    return { proportion, pairs };
  }
}

/** Sorts its values. */
function median(values: Float64Array): number {
  values.sort();
  const { length } = values;
  return length === 0 ? Number.NaN : (values[(length - 1) >> 1]! + values[length >> 1]!) / 2;
}

function doubled<A extends Uint32Array | Float32Array>(values: A, make: new (length: number) => A): A {
  const more = new make(2 * values.length);
  more.set(values);
  return more;
}
