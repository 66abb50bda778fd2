/**
 * Dynamic time warping of frames by their cosine distance: unlike SeqSim it keeps their order. The symmetric form of
 * Sakoe and Chiba (1978), in which a diagonal step weighs two: every path between clips of n and m frames then weighs
 * n + m, and the least cost divided by that is the least mean distance. The cosines are a matrix product in the runtime,
 * the recursion runs here: 2 ns a pair of frames.
 */
import type { Runtime } from '../backend/runtime.ts';
import { blockMatrix } from './block-matrix.ts';
import type { ComparedClip } from './clip-blocks.ts';

/**
 * 1 − the mean distance 1 − cos along the best path; 0 where a clip has no frames. Frame weights do not count: a path
 * goes through every frame.
 * @param band largest distance of a path from the straight line between the corners, as a share of the targets' frames
 * (Sakoe–Chiba). Default: unlimited
 * @returns [sources, targets], row by row
 */
export function dtwMatrix(
  runtime: Runtime,
  sources: readonly ComparedClip[],
  targets: readonly ComparedClip[],
  onProgress?: (pairs: number) => void,
  band = Number.POSITIVE_INFINITY,
): Promise<Float32Array> {
  return blockMatrix(
    runtime,
    {
      outputs: (cosines) => ({ cosines }),
      score: ({ cosines }, p, q) => {
        const scores = new Float32Array(p.lengths.length * q.lengths.length);
        const rowStride = q.lengths.length * q.length;
        p.lengths.forEach((rows, i) => {
          q.lengths.forEach((columns, j) => {
            const first = i * p.length * rowStride + j * q.length;
            scores[i * q.lengths.length + j] =
              rows > 0 && columns > 0
                ? 1 - warpedDistance(cosines!, first, rowStride, rows, columns, band * columns)
                : 0;
          });
        });
        return scores;
      },
    },
    sources,
    targets,
    onProgress,
  );
}

/**
 * Mean distance along the best path through the `rows` × `columns` cosines that begin at `first`.
 * @param radius how far, in columns, a path may leave the straight line
 */
function warpedDistance(
  cosines: Float32Array,
  first: number,
  rowStride: number,
  rows: number,
  columns: number,
  radius: number,
): number {
  let previous = new Float32Array(columns + 1).fill(Number.POSITIVE_INFINITY);
  let current = new Float32Array(columns + 1);
  previous[0] = 0;
  for (let i = 0; i < rows; i++) {
    const middle = ((i + 1) * columns) / rows - 1;
    const from = Math.max(0, Math.ceil(middle - radius));
    const to = Math.min(columns, Math.floor(middle + radius) + 1);
    current.fill(Number.POSITIVE_INFINITY);
    const row = first + i * rowStride;
    let left = Number.POSITIVE_INFINITY;
    for (let j = from; j < to; j++) {
      const distance = 1 - cosines[row + j]!;
      // The very first cell weighs two, like a diagonal step into it.
      const diagonal = previous[j]! + 2 * distance;
      const up = previous[j + 1]! + distance;
      const aside = left + distance;
      left = diagonal < up ? (diagonal < aside ? diagonal : aside) : up < aside ? up : aside;
      current[j + 1] = left;
    }
    if (i === 0) previous[0] = Number.POSITIVE_INFINITY;
    [previous, current] = [current, previous];
  }
  return previous[columns]! / (rows + columns);
}
