/**
 * Retrieval among many clips of 5 s (250 frames of 512 values), as `retrieve` does it: a shortlist by averaged frames,
 * then SeqSim frame by frame. Beside it SeqSim of all pairs, of fewer clips, against the bare matrix product of the same
 * frames in the same runtime, which is what it cannot do without.
 */
import { Graph } from '../src/graph/graph.ts';
import { linear } from '../src/graph/ops.ts';
import { float32, Runtime } from '../src/graph/runtime.ts';
import { sfc32, uniform } from '../src/random.ts';
import { seqSimMatrix } from '../src/retrieval/seq-sim.ts';
import { DEFAULT_SHORTLIST, shortlistedSeqSim } from '../src/retrieval/shortlist.ts';
import type { EncodedClip } from '../src/whisper/model.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { median, pairwise, seconds, showRatios } from './statistics.ts';

const FRAMES = 250;
const WIDTH = 512;
/** Rows and columns of one bare product: large enough for full speed. */
const PRODUCT = 4000;
const ROUNDS = 3;
const LARGEST_RATIO = 1.5;
/** Clips on each side where all pairs are compared: 1,000 would take 64 T multiply-adds a round. */
const EXACT_CLIPS = 250;
const LONGEST_SECONDS = 120;

export async function retrieval({ clips: all }: BenchOptions): Promise<BenchResult> {
  const count = Math.min(all, EXACT_CLIPS);
  const random = sfc32(0);
  const next = () => uniform(random);
  const clip = (): EncodedClip => {
    const frames = Float32Array.from({ length: FRAMES * WIDTH }, () => 2 * next() - 1);
    return { frames, window: FRAMES, length: FRAMES, width: WIDTH };
  };
  const sources = Array.from({ length: all }, clip);
  const targets = Array.from({ length: all }, clip);
  const few = { sources: sources.slice(0, count), targets: targets.slice(0, count) };
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
    await seqSimMatrix(runtime, few.sources, few.targets);
    ours.push((performance.now() - started) / 1000);
  }
  const started = performance.now();
  await shortlistedSeqSim(runtime, sources, targets);
  const shortlisted = (performance.now() - started) / 1000;
  await runtime.close();
  const ratios = pairwise(ours, bare);
  const square = (n: number): string => `${n} × ${n}`;
  return {
    title: `Retrieval by SeqSim, clips of ${FRAMES} frames`,
    rows: [
      { measure: `${square(all)}, shortlist of ${DEFAULT_SHORTLIST}`, ours: seconds(shortlisted) },
      {
        measure: `${square(count)}, all pairs`,
        ours: seconds(median(ours)),
        peer: seconds(median(bare)),
        ratio: showRatios(ratios),
      },
      {
        measure: `${square(all)}, all pairs, at this rate`,
        ours: seconds((median(ours) * all ** 2) / count ** 2),
      },
    ],
    goals: [
      {
        goal: `${square(all)} with a shortlist in less than ${LONGEST_SECONDS} s`,
        found: seconds(shortlisted),
        reached: shortlisted < LONGEST_SECONDS,
      },
      {
        goal: `all pairs in at most ${LARGEST_RATIO} of the time of the bare matrix product`,
        found: ratios.median.toFixed(2),
        reached: ratios.median <= LARGEST_RATIO,
      },
    ],
    notes: [
      'peer: the bare matrix product of the same frames, by the same runtime (a part measured, scaled up)',
    ],
    raw: { ours, bare, shortlisted },
  };
}
