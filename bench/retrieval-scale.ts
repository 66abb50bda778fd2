/**
 * Retrieval among so many clips that they do not fit into memory: `--clips` English ones on disk (30,000 take 8 GB), among which
 * `--sources` of as many Catalan ones search; the time of all is projected from theirs. How often is the best of all targets,
 * compared frame by frame, on the shortlist?
 */
import { mkdirSync, rmSync } from 'node:fs';
import { Runtime } from '../src/backend/runtime.ts';
import { encodedClip, encodedRecord } from '../src/features/encoded-record.ts';
import { Shards } from '../src/features/shards.ts';
import { fingerprint } from '../src/files/fingerprint.ts';
import { startProgress } from '../src/report/progress.ts';
import type { ComparedClip } from '../src/retrieval/clip-blocks.ts';
import { answerRanks } from '../src/retrieval/recall.ts';
import { seqSimMatrix } from '../src/retrieval/seq-sim.ts';
import { DEFAULT_SHORTLIST, ShortlistedSearch } from '../src/retrieval/shortlist.ts';
import { type Composition, composed, compositions, encodedHalves, exactByHalves } from './composed-clips.ts';
import type { BenchOptions } from './options.ts';
import { bestProductRate, gigaflops } from './product-rate.ts';
import { type BenchResult, inRepository } from './result.ts';
import { percent, seconds } from './statistics.ts';

const MIN_LISTED = 0.99;
const MAX_SECONDS = 3 * 3600;
const MAX_BYTES = 2e9;
/** Sources that search together; of each all scores are in memory. */
const PART = 100;
/** Scores that differ by less are equal: rounding. */
const TIE = 2e-6;
/** Sources, and targets, whose SeqSim is computed clip by clip, too. */
const [PROOF_SOURCES, PROOF_TARGETS] = [10, 100];

export async function retrievalScale({
  model,
  clips: count,
  sources: searching = count,
  exact: checking,
}: BenchOptions): Promise<BenchResult> {
  const folder = inRepository('out/bench/retrieval-scale');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const runtime = new Runtime();
  try {
    const halves = await encodedHalves(model);
    const all = compositions(halves, count);
    // Evenly over all.
    const rows = Array.from({ length: searching }, (_, i) => Math.floor((i * count) / searching));
    const asked = rows.map((row) => all[row]!);
    const targets = await written(folder, 'targets', all, halves.target, halves.width);
    const sources = await written(folder, 'sources', asked, halves.source, halves.width);

    const before = process.resourceUsage().maxRSS * 1024;
    const started = performance.now();
    const since = () => (performance.now() - started) / 1000;
    const reading = startProgress('reading targets', count);
    const search = await ShortlistedSearch.among(runtime, targets, DEFAULT_SHORTLIST, (share) =>
      reading.update(Math.round(share * count)),
    );
    reading.done();
    const indexed = since();
    const progress = startProgress('searching', searching);
    const checked = Array.from({ length: Math.min(checking, searching) }, (_, i) =>
      Math.floor((i * searching) / Math.min(checking, searching)),
    );
    const isChecked = new Set(checked);
    /** Scores of the sources that are also compared exactly. */
    const found = new Map<number, Float32Array>();
    const ranks: number[] = [];
    for (let first = 0; first < searching; first += PART) {
      const some = sources.slice(first, first + PART);
      const scores = await search.scores(some);
      const answers = rows.slice(first, first + PART);
      for (const rank of answerRanks(scores, some.length, count, answers)) ranks.push(rank);
      for (let i = 0; i < some.length; i++) {
        if (isChecked.has(first + i)) found.set(first + i, scores.slice(i * count, (i + 1) * count));
      }
      progress.update(ranks.length);
    }
    progress.done();
    const searched = since() - indexed;
    // Of the whole process so far, encoding and writing included.
    const peak = process.resourceUsage().maxRSS * 1024;
    await search.unload();
    const projected = indexed + (searched * count) / searching;

    const exactProgress = startProgress('all frame by frame', checked.length);
    let [hits, right] = [0, 0];
    /** Of each best target that is not on the shortlist: which step dropped it, and how many ranked before it there. */
    const lost: { step: 'centroids' | 'dimensions'; before: number }[] = [];
    const proof: { row: number; scores: Float32Array }[] = [];
    let at = 0;
    for await (const scores of exactByHalves(
      runtime,
      halves,
      checked.map((row) => asked[row]!),
      all,
    )) {
      const row = checked[at++]!;
      const best = scores.reduce((a, b) => Math.max(a, b));
      const own = found.get(row)!;
      // The best, or one of several that are equal.
      const score = own.reduce(
        (most, value, j) => (scores[j]! >= best - TIE ? Math.max(most, value) : most),
        -9,
      );
      if (score >= -1) hits++;
      else {
        const before = own.filter((value) => value > score).length;
        lost.push({ step: score >= -3 ? 'dimensions' : 'centroids', before });
      }
      if (scores[rows[row]!]! >= best - TIE) right++;
      if (proof.length < PROOF_SOURCES) proof.push({ row, scores });
      exactProgress.update(at);
    }
    exactProgress.done();

    const some = Array.from({ length: Math.min(count, PROOF_TARGETS) }, (_, i) =>
      Math.floor((i * count) / Math.min(count, PROOF_TARGETS)),
    );
    const product = await bestProductRate(runtime);
    const [from, to] = [proof.map(({ row }) => sources[row]!), some.map((target) => targets[target]!)];
    await seqSimMatrix(runtime, from, to);
    const exactStarted = performance.now();
    const direct = await seqSimMatrix(runtime, from, to);
    const exactTook = (performance.now() - exactStarted) / 1000;
    const difference = direct.reduce((most, value, i) => {
      const { scores } = proof[Math.floor(i / to.length)]!;
      return Math.max(most, Math.abs(value - scores[some[i % to.length]!]!));
    }, 0);
    if (difference > 1e-4)
      throw new Error(`SeqSim by halves differs from that of the clips by ${difference}`);
    const frames = (clips: readonly { readonly length: number }[]) =>
      clips.reduce((sum, { length }) => sum + length, 0);
    const allExact = (exactTook * (count / from.length) * frames(targets)) / frames(to);
    const share = hits / checked.length;
    // Clips in the other order of their halves are equal: the right one or its twin is first.
    const within = (rank: number) => ranks.filter((own) => own <= rank).length / ranks.length;
    return {
      title: `Retrieval of ${searching} clips among ${count}, which lie on disk; ${runtime.threads} threads`,
      rows: [
        { measure: 'reading the targets', ours: seconds(indexed) },
        { measure: `search of ${searching}`, ours: seconds(searched) },
        { measure: '  of each', ours: `${((1000 * searched) / searching).toFixed(1)} ms` },
        { measure: `${count} × ${count} at this rate`, ours: seconds(projected) },
        { measure: 'all frame by frame, at the rate of some', ours: seconds(allExact) },
        {
          measure: '  rate',
          ours: gigaflops((2 * halves.width * frames(from) * frames(to)) / exactTook),
          peer: gigaflops(product),
        },
        { measure: `R@2 of all sources (chance ${(200 / count).toFixed(2)} %)`, ours: percent(within(2)) },
        {
          measure: `${checked.length} sources: best of all is the right one`,
          ours: percent(right / checked.length),
        },
        {
          measure: '  best of all is on the shortlist',
          ours: `${percent(share)}, ${hits} of ${checked.length}`,
        },
        {
          measure: '  dropped by centroids, by leading dimensions',
          ours: (['centroids', 'dimensions'] as const)
            .map((step) => lost.filter((one) => one.step === step).length)
            .join(', '),
        },
        { measure: 'largest memory of the process', ours: `${(peak / 1e9).toFixed(2)} GB` },
      ],
      goals: [
        {
          goal: `of ${percent(MIN_LISTED)} the best of all is on the shortlist of ${DEFAULT_SHORTLIST}`,
          found: percent(share),
          reached: share >= MIN_LISTED,
        },
        {
          goal: `${count} × ${count} in ${MAX_SECONDS / 3600} h`,
          found: `${(projected / 3600).toFixed(2)} h`,
          reached: projected <= MAX_SECONDS,
        },
        {
          goal: `less than ${MAX_BYTES / 1e9} GB`,
          found: `${(peak / 1e9).toFixed(2)} GB`,
          reached: peak < MAX_BYTES,
        },
      ],
      notes: [
        'peer: the fastest bare matrix product by the same runtime',
        `frame by frame: by the halves that clips are made of; ${direct.length} pairs of whole clips differ by ${difference.toExponential(1)} at most`,
      ],
      raw: {
        before,
        indexed,
        searched,
        projected,
        allExact,
        exactTook,
        product,
        peak,
        hits,
        lost,
        right,
        ranks,
      },
    };
  } finally {
    await runtime.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Composed clips, written to the folder and read when they are needed. */
async function written(
  folder: string,
  what: string,
  all: readonly Composition[],
  halves: readonly Float32Array[],
  width: number,
): Promise<ComparedClip[]> {
  const shards = await Shards.open(folder);
  const progress = startProgress(`writing ${what}`, all.length);
  const clips: ComparedClip[] = [];
  for (const [i, composition] of all.entries()) {
    const key = fingerprint(`${what} ${i}`, 32);
    const whole = composed(composition, halves, width);
    await shards.add([{ key, ...encodedRecord(whole, 'float16') }]);
    const { length, window } = whole;
    clips.push({ length, width, window, read: async () => encodedClip((await shards.read(key))!)! });
    progress.update(clips.length);
  }
  progress.done();
  return clips;
}
