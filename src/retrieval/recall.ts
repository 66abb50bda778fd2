/** Recall at k and mean reciprocal rank of retrieval. */

export interface Recall {
  /** Share of queries whose right candidate ranks first, among the first 5, among the first 10. */
  readonly r1: number;
  readonly r5: number;
  readonly r10: number;
  /** Mean reciprocal rank. */
  readonly mrr: number;
  /** R@1 of a blind guess: 1 / candidates. */
  readonly chance: number;
}

/**
 * The rank of each query's right candidate, from 1. Ties get the middle rank, so that a matrix of equal values scores
 * as chance. NaN ranks last.
 * @param similarity [queries, candidates], row by row
 * @param answer index of the right candidate of each query
 */
export function answerRanks(
  similarity: Float32Array,
  queries: number,
  candidates: number,
  answer: readonly number[],
): number[] {
  if (similarity.length !== queries * candidates || answer.length !== queries) {
    throw new RangeError(
      `recall: ${similarity.length} scores and ${answer.length} answers do not fit ${queries} queries of ${candidates} candidates`,
    );
  }
  return answer.map((right, query) => {
    if (!Number.isInteger(right) || right < 0 || right >= candidates) {
      throw new RangeError(`recall: answer ${right} of query ${query} is not among ${candidates} candidates`);
    }
    const row = similarity.subarray(query * candidates, (query + 1) * candidates);
    const score = comparable(row[right]!);
    let better = 0;
    let equal = 0;
    for (const other of row) {
      if (comparable(other) > score) better++;
      else if (comparable(other) === score) equal++;
    }
    return better + (equal + 1) / 2;
  });
}

const comparable = (score: number): number => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score);

/**
 * R@k and MRR of a similarity matrix. The other direction comes from `transposed`.
 * @param similarity [queries, candidates], row by row
 * @param answer index of the right candidate of each query
 */
export function recall(
  similarity: Float32Array,
  queries: number,
  candidates: number,
  answer: readonly number[],
): Recall {
  const ranks = answerRanks(similarity, queries, candidates, answer);
  const share = (k: number): number => ranks.filter((rank) => rank <= k).length / queries;
  const mrr = ranks.reduce((total, rank) => total + 1 / rank, 0) / queries;
  return { r1: share(1), r5: share(5), r10: share(10), mrr, chance: 1 / candidates };
}

/** [rows, columns] → [columns, rows] */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(matrix.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result[j * rows + i] = matrix[i * columns + j]!;
  }
  return result;
}
