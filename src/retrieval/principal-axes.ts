/** Principal axes of frames: the few directions in which most of a frame lies, so that cosines change little without the others. */
import { float32, type Runtime } from '../backend/runtime.ts';
import { Graph } from '../graph/graph.ts';
import { gemm } from '../graph/ops.ts';
import { dot } from '../vectors.ts';

/** Of orthogonal iteration (Golub & Van Loan 2013, 8.2.4): where the frames are matters, not each axis. */
const ITERATIONS = 20;

/**
 * Axes from the origin, and not from the frames' mean, as cosines are measured; deterministic.
 * @param frames [n, width], each of length 1
 * @param count at most width
 * @returns [count, width], orthonormal
 */
export async function principalAxes(
  runtime: Runtime,
  frames: Float32Array,
  width: number,
  count: number,
): Promise<Float32Array> {
  const graph = new Graph();
  const rows = graph.input('frames', ['n', width]);
  graph.output('moments', gemm(rows, rows, true, false));
  const program = await runtime.load(graph, { builtIn: () => true, arena: false });
  const feeds = { frames: float32(frames, [frames.length / width, width]) };
  const { fetched } = await runtime.run(program, feeds, { fetch: ['moments'] });
  await runtime.unload(program);
  const moments = fetched.moments!.data as Float32Array;
  // The coordinates in which the frames are largest are a start that no chance is in.
  const order = Array.from({ length: width }, (_, d) => d).sort(
    (a, b) => moments[b * width + b]! - moments[a * width + a]! || a - b,
  );
  let axes = Array.from({ length: count }, (_, i) => {
    const axis = new Float64Array(width);
    axis[order[i]!] = 1;
    return axis;
  });
  for (let i = 0; i < ITERATIONS; i++) {
    axes = axes.map((axis) => times(moments, axis));
    orthonormalize(axes);
  }
  const result = new Float32Array(count * width);
  axes.forEach((axis, i) => {
    result.set(axis, i * width);
  });
  return result;
}

/** A symmetric matrix times a vector. */
function times(matrix: Float32Array, vector: Float64Array): Float64Array<ArrayBuffer> {
  const result = new Float64Array(vector.length);
  for (const [i, factor] of vector.entries()) {
    if (factor === 0) continue;
    for (let j = 0; j < result.length; j++) result[j]! += factor * matrix[i * result.length + j]!;
  }
  return result;
}

/** Gram-Schmidt, in their places. A vector that lies in the span of those before it becomes zeros: no frame needs it. */
function orthonormalize(vectors: readonly Float64Array[]): void {
  for (const [i, vector] of vectors.entries()) {
    const before = Math.sqrt(dot(vector, vector));
    // Twice: a difference of two large numbers is not orthogonal yet.
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors.slice(0, i)) {
        const share = dot(vector, other);
        for (let d = 0; d < vector.length; d++) vector[d]! -= share * other[d]!;
      }
    }
    const length = Math.sqrt(dot(vector, vector));
    const factor = length > 1e-9 * before ? 1 / length : 0;
    for (let d = 0; d < vector.length; d++) vector[d]! *= factor;
  }
}
