/** The int8 form of a weight: w ≈ s·q with whole q in ±127 and one scale s for each row (backend/row-scales.ts finds it). */

/** The largest q. −128 is not used: the steps are the same on both sides of 0. */
export const INT8_LIMIT = 127;

/** Suffix of the name of a weight's scales, in files and in the computing thread. */
export const SCALE_SUFFIX = '.scale';

/** Shape in which the scales broadcast to the weight. */
export const scaleShape = (shape: readonly number[]): number[] =>
  shape.map((size, i) => (i === 0 ? size : 1));
