/**
 * Retrieval among so many clips that they do not fit into memory: `--clips` English ones on disk (30,000 take 8 GB), among which
 * `--sources` of as many Catalan ones search; the time of all is projected from theirs. How often is the best of all targets,
 * compared frame by frame, on the shortlist?
 *
 * What is found is kept in out/bench: run again, it goes on where it stopped. With `--seconds` it stops when so many are over.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { Runtime } from '../src/backend/runtime.ts';
import { encodedClip, encodedRecord } from '../src/features/encoded-record.ts';
import { Shards } from '../src/features/shards.ts';
import { fingerprint } from '../src/files/fingerprint.ts';
import { ResumableLines } from '../src/files/resumable-lines.ts';
import { startProgress } from '../src/report/progress.ts';
import type { ComparedClip } from '../src/retrieval/clip-blocks.ts';
import { answerRanks } from '../src/retrieval/recall.ts';
import { seqSimMatrix } from '../src/retrieval/seq-sim.ts';
import {
  DEFAULT_SHORTLIST,
  SHORTLIST_STEPS,
  ShortlistedSearch,
  searchThreads,
} from '../src/retrieval/shortlist.ts';
import {
  type Composition,
  composed,
  compositions,
  encodedHalves,
  exactByHalves,
  type Halves,
} from './composed-clips.ts';
import type { BenchOptions } from './options.ts';
import { bestProductRate, gigaflops } from './product-rate.ts';
import { type BenchResult, inRepository } from './result.ts';
import { median, percent, seconds } from './statistics.ts';

const MIN_LISTED = 0.99;
const MAX_SECONDS = 3 * 3600;
const MAX_BYTES = 2e9;
/** Sources that search together, evenly from all; of each all scores are in memory. */
const PART = 100;
/** Scores that differ by less are equal: rounding. */
const TIE = 2e-6;
/** Sources, and targets, whose SeqSim is computed clip by clip, too. */
const [PROOF_SOURCES, PROOF_TARGETS] = [10, 100];

/** What the search found for some sources that searched together. */
interface Part {
  readonly key: string;
  /** Of the search; and before it, of the reading of all targets. */
  readonly seconds: number;
  readonly indexed: number;
  /** Largest memory of the process so far, encoding and writing included. */
  readonly peak: number;
  /** Of the right target, by source. */
  readonly ranks: readonly number[];
  readonly checks: readonly Check[];
}

/** A source that is compared with all targets frame by frame. */
interface Check {
  /** Whether the right target is the best of all. */
  readonly right: boolean;
  /** Where the best target is not on the shortlist: which step dropped it, and how many ranked before it there. */
  readonly lost?: { readonly step: 'centroids' | 'dimensions'; readonly before: number };
}

/** The best targets of a source: one, or several that are equal. */
interface Best {
  readonly targets: readonly number[];
  readonly right: boolean;
}

export async function retrievalScale({
  model,
  clips: count,
  sources: searching = count,
  exact: checking,
  seconds: limit = Number.POSITIVE_INFINITY,
}: BenchOptions): Promise<BenchResult> {
  const begun = performance.now();
  const folder = inRepository('out/bench/retrieval-scale');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const runtime = new Runtime({ threads: searchThreads() });
  const kept = await ResumableLines.open<Part>(inRepository('out/bench/retrieval-scale.jsonl'), {
    ...{ resume: true, keyOf: ({ key }: Part) => key, keep: () => true },
  });
  const settings = [count, searching, checking, DEFAULT_SHORTLIST, SHORTLIST_STEPS, runtime.threads];
  const keyOf = (part: number) => [...settings, part].join(' ');
  try {
    const halves = await encodedHalves(model);
    const all = compositions(halves, count);
    // Evenly over all, those of each part and those that are checked, too.
    const rowOf = (source: number) => Math.floor((source * count) / searching);
    const parts = Math.ceil(searching / PART);
    const sourcesOf = (part: number) =>
      Array.from({ length: Math.ceil((searching - part) / parts) }, (_, i) => part + i * parts);
    const isChecked = (source: number) =>
      Math.floor(((source + 1) * checking) / searching) > Math.floor((source * checking) / searching);
    const left = Array.from({ length: parts }, (_, part) => part).filter((part) => !kept.has(keyOf(part)));
    const targets = await written(folder, 'targets', all, halves.target, halves.width);
    const asked = left.flatMap(sourcesOf);
    const checked = asked.filter(isChecked);
    const { best, proof } = await bestOfAll(runtime, halves, all, checked.map(rowOf));

    if (left.length > 0) {
      const started = performance.now();
      const reading = startProgress('reading targets', count);
      const search = await ShortlistedSearch.among(runtime, targets, DEFAULT_SHORTLIST, (share) =>
        reading.update(Math.round(share * count)),
      );
      reading.done();
      const indexed = (performance.now() - started) / 1000;
      const progress = startProgress('searching', asked.length);
      let searched = 0;
      for (const part of left) {
        const own = sourcesOf(part);
        const composedOnes = own.map((source) => all[rowOf(source)]!);
        const some = await written(folder, `sources ${part}`, composedOnes, halves.source, halves.width);
        const partStarted = performance.now();
        const scores = await search.scores(some);
        const took = (performance.now() - partStarted) / 1000;
        const ranks = answerRanks(scores, some.length, count, own.map(rowOf));
        const checks = own.flatMap((source, i) =>
          isChecked(source)
            ? [checkOf(scores.subarray(i * count, (i + 1) * count), best.get(rowOf(source))!)]
            : [],
        );
        const peak = process.resourceUsage().maxRSS * 1024;
        await kept.add({ key: keyOf(part), seconds: took, indexed, peak, ranks, checks });
        searched += own.length;
        progress.update(searched);
        if ((performance.now() - begun) / 1000 > limit) break;
      }
      progress.done();
      await search.unload();
    }

    const found = Array.from({ length: parts }, (_, part) => kept.get(keyOf(part))).filter(
      (part) => part !== undefined,
    );
    const ranks = found.flatMap((part) => part.ranks);
    const checks = found.flatMap((part) => part.checks);
    const lost = checks.flatMap((check) => check.lost ?? []);
    const hits = checks.length - lost.length;
    const share = hits / checks.length;
    const searched = found.reduce((sum, part) => sum + part.seconds, 0);
    const indexed = median(found.map((part) => part.indexed));
    const peak = Math.max(...found.map((part) => part.peak));
    const projected = indexed + (searched * count) / ranks.length;
    const product = await bestProductRate(runtime);
    const exact = await clipByClip(runtime, halves, all, proof, { targets, folder });
    const frames = (clips: readonly { readonly length: number }[]) =>
      clips.reduce((sum, { length }) => sum + length, 0);
    // Clips in the other order of their halves are equal: the right one or its twin is first.
    const within = (rank: number) => ranks.filter((own) => own <= rank).length / ranks.length;
    const times = found.map((part) => (1000 * part.seconds) / part.ranks.length);
    return {
      title: `Retrieval of ${ranks.length} clips among ${count}, which lie on disk; ${runtime.threads} threads`,
      rows: [
        { measure: 'reading the targets', ours: seconds(indexed) },
        { measure: `search of ${ranks.length}`, ours: seconds(searched) },
        {
          measure: `  of each (least and most of ${found.length} parts)`,
          ours: `${((1000 * searched) / ranks.length).toFixed(1)} ms (${Math.min(...times).toFixed(1)} – ${Math.max(...times).toFixed(1)})`,
        },
        { measure: `${count} × ${count} at this rate`, ours: seconds(projected) },
        ...(exact
          ? [
              {
                measure: 'all frame by frame, at the rate of some',
                ours: seconds(
                  (exact.took * (count / exact.sources.length) * frames(targets)) / frames(exact.targets),
                ),
              },
              {
                measure: '  rate',
                ours: gigaflops(
                  (2 * halves.width * frames(exact.sources) * frames(exact.targets)) / exact.took,
                ),
                peer: gigaflops(product),
              },
            ]
          : []),
        { measure: `R@2 of all sources (chance ${(200 / count).toFixed(2)} %)`, ours: percent(within(2)) },
        {
          measure: `${checks.length} sources: best of all is the right one`,
          ours: percent(checks.filter(({ right }) => right).length / checks.length),
        },
        {
          measure: '  best of all is on the shortlist',
          ours: `${percent(share)}, ${hits} of ${checks.length}`,
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
        {
          goal: `${searching} sources have searched`,
          found: `${ranks.length}`,
          reached: ranks.length === searching,
        },
      ],
      notes: [
        'peer: the fastest bare matrix product by the same runtime',
        ...(exact
          ? [
              `frame by frame: by the halves that clips are made of; ${exact.pairs} pairs of whole clips differ by ${exact.difference.toExponential(1)} at most`,
            ]
          : []),
      ],
      raw: { parts: found, projected, product, exact: exact && { took: exact.took } },
    };
  } finally {
    await runtime.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The best targets of some sources, compared with all frame by frame.
 * @returns by row; and all scores of the first sources
 */
async function bestOfAll(
  runtime: Runtime,
  halves: Halves,
  all: readonly Composition[],
  rows: readonly number[],
): Promise<{ best: Map<number, Best>; proof: { row: number; scores: Float32Array }[] }> {
  const progress = startProgress('all frame by frame', rows.length);
  const best = new Map<number, Best>();
  const proof: { row: number; scores: Float32Array }[] = [];
  const sources = rows.map((row) => all[row]!);
  for await (const { seqSim: scores } of exactByHalves(runtime, halves, sources, all)) {
    const row = rows[best.size]!;
    const most = scores.reduce((a, b) => Math.max(a, b)) - TIE;
    const targets: number[] = [];
    for (const [target, score] of scores.entries()) if (score >= most) targets.push(target);
    best.set(row, { targets, right: scores[row]! >= most });
    if (proof.length < PROOF_SOURCES) proof.push({ row, scores });
    progress.update(best.size);
  }
  progress.done();
  return { best, proof };
}

/** @param scores of a source with all targets, as ShortlistedSearch has them */
function checkOf(scores: Float32Array, { targets, right }: Best): Check {
  const score = targets.reduce((most, target) => Math.max(most, scores[target]!), Number.NEGATIVE_INFINITY);
  if (score >= -1) return { right };
  const before = scores.reduce((count, value) => count + Number(value > score), 0);
  return { right, lost: { step: score >= -3 ? 'dimensions' : 'centroids', before } };
}

/**
 * SeqSim of some whole clips with some, timed.
 * @returns nothing where all sources had searched before
 * @throws where it differs from that by halves
 */
async function clipByClip(
  runtime: Runtime,
  halves: Halves,
  all: readonly Composition[],
  proof: readonly { readonly row: number; readonly scores: Float32Array }[],
  { targets, folder }: { readonly targets: readonly ComparedClip[]; readonly folder: string },
) {
  if (proof.length === 0) return undefined;
  const some = Array.from({ length: Math.min(all.length, PROOF_TARGETS) }, (_, i) =>
    Math.floor((i * all.length) / Math.min(all.length, PROOF_TARGETS)),
  );
  const rows = proof.map(({ row }) => all[row]!);
  const sources = await written(folder, 'proof', rows, halves.source, halves.width);
  const to = some.map((target) => targets[target]!);
  await seqSimMatrix(runtime, sources, to);
  const started = performance.now();
  const direct = await seqSimMatrix(runtime, sources, to);
  const took = (performance.now() - started) / 1000;
  const difference = direct.reduce((most, value, i) => {
    const { scores } = proof[Math.floor(i / to.length)]!;
    return Math.max(most, Math.abs(value - scores[some[i % to.length]!]!));
  }, 0);
  if (difference > 1e-4) throw new Error(`SeqSim by halves differs from that of the clips by ${difference}`);
  return { took, difference, pairs: direct.length, sources, targets: to };
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
