/**
 * Cross-domain similarity local scaling (Conneau et al., "Word Translation Without Parallel Data", 2018): a clip that is
 * near to everything (a hub) must not be the nearest of all. Subtracts from each similarity the local scale of its row and
 * its column:
 *
 *   CSLS(x, y) = 2·s(x, y) − mean of the k largest s(x, ·) − mean of the k largest s(·, y)
 *
 * @param similarity [rows, columns], row by row
 * @param k neighbours, at most as many as there are. @default 10
 * @returns [rows, columns]
 */
export function csls(similarity: Float32Array, rows: number, columns: number, k = 10): Float32Array {
  const ofRows = Array.from({ length: rows }, (_, i) =>
    meanOfLargest(similarity.slice(i * columns, (i + 1) * columns), k),
  );
  const column = new Float32Array(rows);
  const ofColumns = Array.from({ length: columns }, (_, j) => {
    for (let i = 0; i < rows; i++) column[i] = similarity[i * columns + j]!;
    return meanOfLargest(column, k);
  });
  return similarity.map(
    (value, at) => 2 * value - ofRows[Math.floor(at / columns)]! - ofColumns[at % columns]!,
  );
}

/** Sorts `values`. */
function meanOfLargest(values: Float32Array, k: number): number {
  const largest = values.sort().subarray(-Math.min(k, values.length));
  return largest.reduce((total, value) => total + value, 0) / largest.length;
}
