/** The machine's best rate of matrix products, in the runtime that all of this project computes in. */

import { float32, type Runtime } from '../src/backend/runtime.ts';
import { Graph } from '../src/graph/graph.ts';
import { linear } from '../src/graph/ops.ts';
import { sfc32, uniform } from '../src/random.ts';

/** Rows, columns, and what is summed over: large and square, a frame's width, and a block as SeqSim compares it. */
const SHAPES = [
  [2048, 2048, 2048],
  [4000, 4000, 512],
  [1024, 2048, 512],
] as const;
const RUNS = 5;

/** @returns FLOP (two for a multiply-add) per second of the fastest run of the fastest shape */
export async function bestProductRate(runtime: Runtime): Promise<number> {
  const random = sfc32(0);
  let best = 0;
  for (const [m, n, k] of SHAPES) {
    const matrix = (rows: number) =>
      float32(
        Float32Array.from({ length: rows * k }, () => uniform(random) - 0.5),
        [rows, k],
      );
    const graph = new Graph();
    graph.output('product', linear(graph.input('a', [m, k]), graph.input('b', [n, k])));
    const program = await runtime.load(graph, { builtIn: () => true });
    const feeds = { a: matrix(m), b: matrix(n) };
    for (let run = 0; run < RUNS; run++) {
      const started = performance.now();
      const { kept } = await runtime.run(program, feeds, { keep: ['product'] });
      best = Math.max(best, (2 * m * n * k) / ((performance.now() - started) / 1000));
      await runtime.free(Object.values(kept));
    }
    await runtime.unload(program);
  }
  return best;
}

export const gigaflops = (rate: number): string => `${(rate / 1e9).toFixed(0)} GFLOP/s`;
