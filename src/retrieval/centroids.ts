/** Centroids of frames: k-means by cosine (spherical: Dhillon & Modha 2001), whose assignments are matrix products. */
import { float32, type Runtime } from '../backend/runtime.ts';
import { Graph, type Tensor } from '../graph/graph.ts';
import { argMin, linear, neg } from '../graph/ops.ts';

const LLOYD_STEPS = 4;
/** Frames that are assigned in one run. */
const BATCH_FRAMES = 4096;

/** The nearest centroid of each frame, int64 [n], the first of equal ones. @param frames [n, width] @param centroids [k, width] */
export const nearestCentroid = (frames: Tensor, centroids: Tensor): Tensor =>
  argMin(neg(linear(frames, centroids)));

/**
 * Lloyd's algorithm, from evenly spaced frames on; deterministic.
 * @param frames [n, width], each of length 1
 * @param k at most n
 * @returns [k, width], each of length 1
 */
export async function frameCentroids(
  runtime: Runtime,
  frames: Float32Array,
  width: number,
  k: number,
): Promise<Float32Array> {
  const n = frames.length / width;
  const centroids = new Float32Array(k * width);
  for (let c = 0; c < k; c++) {
    const row = Math.floor((c * n) / k);
    centroids.set(frames.subarray(row * width, (row + 1) * width), c * width);
  }
  const graph = new Graph();
  const rows = graph.input('frames', ['n', width]);
  graph.output('nearest', nearestCentroid(rows, graph.input('centroids', [k, width])));
  const program = await runtime.load(graph, { builtIn: () => true });
  for (let step = 0; step < LLOYD_STEPS; step++) {
    const sums = new Float64Array(k * width);
    const given = float32(centroids, [k, width]);
    for (let first = 0; first < n; first += BATCH_FRAMES) {
      const some = frames.slice(first * width, (first + BATCH_FRAMES) * width);
      const feeds = { frames: float32(some, [some.length / width, width]), centroids: given };
      const { fetched } = await runtime.run(program, feeds, { fetch: ['nearest'] });
      for (const [i, c] of (fetched.nearest!.data as BigInt64Array).entries()) {
        for (let d = 0; d < width; d++) sums[Number(c) * width + d]! += some[i * width + d]!;
      }
    }
    // A centroid that lost all its frames stays where it was.
    for (let c = 0; c < k; c++) {
      const own = sums.subarray(c * width, (c + 1) * width);
      if (own.some((x) => x !== 0)) centroids.set(own, c * width);
    }
    scaleToUnit(centroids, width);
  }
  await runtime.unload(program);
  return centroids;
}

/** Scales each frame to length 1, in its place; one of zeros stays. @param frames [n, width] */
export function scaleToUnit(frames: Float32Array, width: number): void {
  for (let at = 0; at < frames.length; at += width) {
    let squares = 0;
    for (let d = 0; d < width; d++) squares += frames[at + d]! ** 2;
    const inverse = 1 / Math.sqrt(Math.max(squares, 1e-30));
    for (let d = 0; d < width; d++) frames[at + d]! *= inverse;
  }
}
