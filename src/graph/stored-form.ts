/**
 * The stored forms of a weight with 8 or 4 bits: w ≈ s·q with whole q in ±limit, and one scale s for each row, or for each
 * group of a row's weights (backend/row-scales.ts finds them).
 */

/** Bits of a weight in a stored form. */
export type Bits = 8 | 4;

/** Weights of a row that share a scale with 4 bits; a matrix whose rows are no multiple of it is kept with 8. */
export const GROUP = 32;

/** Suffix of the name of a weight's scales, in files and in the computing thread. */
export const SCALE_SUFFIX = '.scale';

export interface StoredForm {
  readonly bits: Bits;
  /** The largest q. Its negative less 1 is not used: the steps are the same on both sides of 0. */
  readonly limit: number;
  /** Weights that share a scale. */
  readonly perScale: number;
  /** Shape of the scales in a file: [rows], or [rows, groups]. */
  readonly scaleShape: readonly number[];
}

/** How a weight of this shape is stored. @param shape [rows, …] */
export function storedForm([rows = 1, ...inner]: readonly number[], bits: Bits): StoredForm {
  const columns = inner.reduce((product, size) => product * size, 1);
  return bits === 4 && columns % GROUP === 0
    ? { bits: 4, limit: 7, perScale: GROUP, scaleShape: [rows, columns / GROUP] }
    : { bits: 8, limit: 127, perScale: columns, scaleShape: [rows] };
}
