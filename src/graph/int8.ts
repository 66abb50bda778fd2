/** The int8 form of a weight: w ≈ s·q with whole q in ±127 and one scale s for each row (backend/row-scales.ts finds it). */

/** The largest q. −128 is not used: the steps are the same on both sides of 0. */
export const INT8_LIMIT = 127;

/** A weight's scales, in a file and beside it in the computing thread, are named like it, with this added. */
export const SCALE_SUFFIX = '.scale';

/** The shape in which they broadcast to it. */
export const scaleShape = (shape: readonly number[]): number[] =>
  shape.map((size, i) => (i === 0 ? size : 1));
