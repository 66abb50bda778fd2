/** Arithmetic of vectors on the host. */

/** Dot product; `b` is at least as long as `a`. */
export function dot<T extends Float32Array | Float64Array>(a: T, b: T): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** With length 1; zeros stay zeros. */
export function unit(vector: ArrayLike<number>): Float32Array {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += vector[i]! ** 2;
  return Float32Array.from(vector, (value) => value / Math.sqrt(squares || 1));
}
