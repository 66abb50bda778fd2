/**
 * Retrieval among many clips of 5 s (250 frames of 512 values), as `retrieve` does it: a shortlist by averaged frames,
 * then SeqSim frame by frame. Beside it SeqSim of all pairs, of fewer clips, against the fastest bare matrix product that
 * the same runtime makes on this machine.
 */
import { Runtime } from '../src/backend/runtime.ts';
import { sfc32, uniform } from '../src/random.ts';
import { seqSimMatrix } from '../src/retrieval/seq-sim.ts';
import { DEFAULT_SHORTLIST, ShortlistedSearch, searchThreads } from '../src/retrieval/shortlist.ts';
import type { EncodedClip } from '../src/whisper/encoded-clip.ts';
import type { BenchOptions } from './options.ts';
import { bestProductRate, gigaflops } from './product-rate.ts';
import type { BenchResult } from './result.ts';
import { median, pairwise, seconds, showRatios } from './statistics.ts';

const FRAMES = 250;
const WIDTH = 512;
const ROUNDS = 3;
const MIN_RATE = 0.7;
/** Clips on each side where all pairs are compared: 1,000 would take 64 T multiply-adds a round. */
const EXACT_CLIPS = 250;
const MAX_SECONDS = 120;

export async function retrieval({ clips: all }: BenchOptions): Promise<BenchResult> {
  const count = Math.min(all, EXACT_CLIPS);
  const random = sfc32(0);
  const clip = (): EncodedClip => {
    const frames = Float32Array.from({ length: FRAMES * WIDTH }, () => 2 * uniform(random) - 1);
    return { frames, window: FRAMES, length: FRAMES, width: WIDTH };
  };
  const sources = Array.from({ length: all }, clip);
  const targets = Array.from({ length: all }, clip);
  const few = { sources: sources.slice(0, count), targets: targets.slice(0, count) };
  const runtime = new Runtime();
  const flops = 2 * WIDTH * (count * FRAMES) ** 2;
  await seqSimMatrix(runtime, sources.slice(0, 16), targets.slice(0, 16));
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await bestProductRate(runtime));
    const started = performance.now();
    await seqSimMatrix(runtime, few.sources, few.targets);
    ours.push(flops / ((performance.now() - started) / 1000));
  }
  await runtime.close();
  const searching = new Runtime({ threads: searchThreads() });
  const started = performance.now();
  const search = await ShortlistedSearch.among(searching, targets);
  await search.scores(sources);
  const shortlisted = (performance.now() - started) / 1000;
  await searching.close();
  const rates = pairwise(ours, bare);
  const square = (n: number): string => `${n} × ${n}`;
  return {
    title: `Retrieval by SeqSim, clips of ${FRAMES} frames`,
    rows: [
      { measure: `${square(all)}, shortlist of ${DEFAULT_SHORTLIST}`, ours: seconds(shortlisted) },
      {
        measure: `${square(count)}, all pairs`,
        ours: gigaflops(median(ours)),
        peer: gigaflops(median(bare)),
        ratio: showRatios(rates),
      },
      {
        measure: `${square(all)}, all pairs, at this rate`,
        ours: seconds((flops * (all / count) ** 2) / median(ours)),
      },
    ],
    goals: [
      {
        goal: `${square(all)} with a shortlist in less than ${MAX_SECONDS} s`,
        found: seconds(shortlisted),
        reached: shortlisted < MAX_SECONDS,
      },
      {
        goal: `all pairs at ${MIN_RATE} or more of the rate of the fastest bare matrix product`,
        found: rates.median.toFixed(2),
        reached: rates.median >= MIN_RATE,
      },
    ],
    notes: [
      'peer: the fastest of three bare matrix products by the same runtime; ratio: of the rates, more is better',
    ],
    raw: { ours, bare, shortlisted },
  };
}
