/**
 * SeqSim of 1,000 × 1,000 clips of 5 s (250 frames of 512 values). The peer is the bare matrix product of the same
 * frames in the same runtime, which is what SeqSim cannot do without: 64 T multiply-adds, so a part of it is measured.
 */
import { Graph } from '../src/graph/graph.ts';
import { linear } from '../src/graph/ops.ts';
import { float32, Runtime } from '../src/graph/runtime.ts';
import { sfc32, uniform } from '../src/random.ts';
import { seqSimMatrix } from '../src/retrieval/seq-sim.ts';
import type { EncodedClip } from '../src/whisper/model.ts';
import type { BenchOptions } from './main.ts';
import type { BenchResult } from './result.ts';
import { median, pairwise, seconds, showRatios } from './statistics.ts';

const FRAMES = 250;
const WIDTH = 512;
/** Rows and columns of one bare product: large enough for full speed. */
const PRODUCT = 4000;
const ROUNDS = 3;
const LARGEST_RATIO = 1.5;

export async function retrieval({ clips: count }: BenchOptions): Promise<BenchResult> {
  const random = sfc32(0);
  const next = () => uniform(random);
  const clip = (): EncodedClip => {
    const frames = Float32Array.from({ length: FRAMES * WIDTH }, () => 2 * next() - 1);
    return { frames, window: FRAMES, length: FRAMES, width: WIDTH };
  };
  const sources = Array.from({ length: count }, clip);
  const targets = Array.from({ length: count }, clip);
  const runtime = new Runtime();
  const graph = new Graph();
  const product = linear(graph.input('a', [PRODUCT, WIDTH]), graph.input('b', [PRODUCT, WIDTH]));
  graph.output('product', product);
  const program = await runtime.load(graph, { builtIn: () => true });
  const rows = () => float32(Float32Array.from({ length: PRODUCT * WIDTH }, next), [PRODUCT, WIDTH]);
  const [a, b] = [rows(), rows()];
  const bareProduct = async (): Promise<number> => {
    const started = performance.now();
    const { kept } = await runtime.run(program, { a, b }, { keep: ['product'] });
    const took = (performance.now() - started) / 1000;
    await runtime.free(Object.values(kept));
    return (took * (count * FRAMES) ** 2) / PRODUCT ** 2;
  };
  await bareProduct();
  await seqSimMatrix(runtime, sources.slice(0, 16), targets.slice(0, 16));
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(median([await bareProduct(), await bareProduct(), await bareProduct()]));
    const started = performance.now();
    await seqSimMatrix(runtime, sources, targets);
    ours.push((performance.now() - started) / 1000);
  }
  await runtime.close();
  const ratios = pairwise(ours, bare);
  const pairs = count * count;
  return {
    title: `SeqSim of ${count} × ${count} clips of ${FRAMES} frames`,
    rows: [
      {
        measure: `${pairs} pairs`,
        ours: seconds(median(ours)),
        peer: seconds(median(bare)),
        ratio: showRatios(ratios),
      },
      { measure: '1,000 × 1,000 at this rate', ours: seconds((median(ours) * 1e6) / pairs) },
    ],
    goals: [
      {
        goal: `at most ${LARGEST_RATIO} of the time of the bare matrix product`,
        found: ratios.median.toFixed(2),
        reached: ratios.median <= LARGEST_RATIO,
      },
    ],
    notes: [
      'peer: the bare matrix product of the same frames, by the same runtime (a part measured, scaled up)',
    ],
    raw: { ours, bare },
  };
}
