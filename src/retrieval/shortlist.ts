/**
 * Retrieval among many clips. SeqSim costs frames × frames for every pair: 10,000 clips of 5 s among 10,000 take
 * 6.4 PFLOP with Whisper base, half a day on two cores. Averaged frames cost span × span times less and say almost
 * the same: SeqSim of frames averaged by eights finds each source's promising targets, frames averaged by threes the
 * most promising of these, and only those are compared frame by frame.
 */
import type { Runtime } from '../backend/runtime.ts';
import type { ComparedClip } from './clip-blocks.ts';
import { averagedWhenRead } from './mean-pool.ts';
import { seqSimMatrix, seqSimPairs } from './seq-sim.ts';

/**
 * Default number of targets of each source that are compared exactly. How often the best of all is among them is measured
 * by `npm run bench -- retrieval-scale`: docs/lab/benchmarks.md.
 */
export const DEFAULT_SHORTLIST = 32;
/**
 * Steps of the search: frames averaged into one (`span`), and length of the list passed to the next step, in shortlists
 * (`passes`). Among 2,000 targets built as near misses (Whisper base, 150 sources) the exact best was, for 99 % of the
 * sources, among the first 30 by eights and the first 4 by threes; by tens among the first 66, by mean frames among the
 * first 708.
 */
const STEPS = [
  { span: 8, passes: 5 },
  { span: 3, passes: 1 },
  { span: 1, passes: 0 },
] as const;
/** The steps as text, part of the key under which scores are stored. */
export const SHORTLIST_STEPS = STEPS.map(({ span, passes }) => `${passes}×${span}`).join(' ');
/** Cosines of frames up to which all pairs are compared exactly (15 TFLOP with Whisper base: two minutes on two cores). */
const MAX_EXACT_COSINES = 1.5e10;

export interface ShortlistOptions {
  /** How many targets of each source are compared exactly. @default DEFAULT_SHORTLIST */
  readonly shortlist?: number;
  /** Called with the share of the work that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** Whether comparing all clips frame by frame takes a few minutes at most. */
export function isQuickExactly(sources: readonly ComparedClip[], targets: readonly ComparedClip[]): boolean {
  return frameCount(sources) * frameCount(targets) <= MAX_EXACT_COSINES;
}

/**
 * Scores whose order within each row is the order of retrieval: SeqSim for the row's shortlist; for a target that a step
 * dropped, its score in that step, minus 2 for each step not reached, so that it ranks after all that reached it.
 * For the other direction exchange sources and targets.
 * @returns [sources, targets], row by row
 */
export async function shortlistedSeqSim(
  runtime: Runtime,
  sources: readonly ComparedClip[],
  targets: readonly ComparedClip[],
  { shortlist = DEFAULT_SHORTLIST, onProgress }: ShortlistOptions = {},
): Promise<Float32Array> {
  const columns = targets.length;
  // A step that would pass on all targets is skipped.
  const steps = STEPS.filter(({ passes }) => passes * shortlist < columns).map(({ span }, i, all) => {
    const count = i === 0 ? columns : all[i - 1]!.passes * shortlist;
    return { span, count, work: (sources.length * count) / span ** 2 };
  });
  const total = steps.reduce((sum, { work }) => sum + work, 0);
  let before = 0;
  let scores: Float32Array = new Float32Array();
  for (const [i, { span, count, work }] of steps.entries()) {
    const [from, to] = [sources, targets].map((clips) =>
      clips.map((clip) => (span === 1 ? clip : averagedWhenRead(clip, span))),
    );
    const progress = (pairs: number): void =>
      onProgress?.((before + (work * pairs) / (sources.length * count)) / total);
    if (i === 0) scores = await seqSimMatrix(runtime, from!, to!, progress);
    else {
      const chosen = sources.map((_, row) =>
        largest(scores.subarray(row * columns, (row + 1) * columns), count),
      );
      for (let at = 0; at < scores.length; at++) scores[at]! -= 2;
      await seqSimPairs(runtime, from!, to!, chosen, scores, progress);
    }
    before += work;
  }
  return scores;
}

/** Indices of the `count` largest of more scores, of equal ones the first. NaN is not chosen. */
function largest(scores: Float32Array, count: number): number[] {
  // Typed arrays sort themselves many times quicker than indices are sorted by a function.
  const least = scores.map((score) => (Number.isNaN(score) ? -Infinity : score)).sort()[
    scores.length - count
  ]!;
  const above: number[] = [];
  const equal: number[] = [];
  for (const [i, score] of scores.entries()) {
    if (score > least) above.push(i);
    else if (score === least) equal.push(i);
  }
  return [...above, ...equal.slice(0, count - above.length)];
}

function frameCount(clips: readonly ComparedClip[]): number {
  return clips.reduce((total, { length }) => total + length, 0);
}
