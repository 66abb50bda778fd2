/** k-means clustering of frames. */

const LLOYD_STEPS = 4;

/**
 * k-means (Lloyd's algorithm), deterministic.
 * @param rows [count, width]
 * @param start centres to begin with, [k, width]; default: the means of k equal stretches, for rows whose neighbours are
 * similar
 * @returns `centres` [k, width] and the rows of each; a centre that lost all its rows has 1
 */
export function kMeans(
  rows: Float32Array,
  width: number,
  k: number,
  start?: Float32Array,
): { centres: Float32Array; counts: number[] } {
  const count = rows.length / width;
  const sizes = { width, k };
  const centres = start?.slice() ?? new Float32Array(k * width);
  const assigned = Int32Array.from({ length: count }, (_, i) =>
    start ? nearest(rows, i * width, centres, sizes, 0) : Math.floor((i * k) / count),
  );
  const counts: number[] = new Array(k).fill(0);
  for (let step = 0; ; step++) {
    const sums = new Float64Array(k * width);
    counts.fill(0);
    for (let i = 0; i < count; i++) {
      const c = assigned[i]!;
      counts[c]!++;
      for (let d = 0; d < width; d++) sums[c * width + d]! += rows[i * width + d]!;
    }
    for (let c = 0; c < k; c++) {
      // A centre that lost all its frames stays where it was, with the weight of one.
      if (counts[c] === 0) counts[c] = 1;
      else for (let d = 0; d < width; d++) centres[c * width + d] = sums[c * width + d]! / counts[c]!;
    }
    if (step === LLOYD_STEPS) return { centres, counts };
    for (let i = 0; i < count; i++) assigned[i] = nearest(rows, i * width, centres, sizes, assigned[i]!);
  }
}

/** @param guess centre that is likely the nearest: the sums of most others then end early */
function nearest(
  rows: Float32Array,
  at: number,
  centres: Float32Array,
  { width, k }: { readonly width: number; readonly k: number },
  guess: number,
): number {
  let best = guess;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (let i = -1; i < k; i++) {
    const c = i < 0 ? guess : i;
    let distance = 0;
    for (let d = 0; d < width && distance <= bestDistance; d++)
      distance += (rows[at + d]! - centres[c * width + d]!) ** 2;
    // Of equally near ones the first.
    if (distance < bestDistance || (distance === bestDistance && c < best)) {
      bestDistance = distance;
      best = c;
    }
  }
  return best;
}
