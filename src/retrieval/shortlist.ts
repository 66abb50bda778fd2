/**
 * Retrieval among many clips. SeqSim costs frames × frames for every pair: 30,000 clips of 5.5 s among as many take
 * 70 PFLOP with Whisper base, four days on two cores. An index of the targets (target-index.ts) finds each source's promising
 * ones with a thousandth of that, and only those are compared frame by frame.
 */
import type { Runtime } from '../backend/runtime.ts';
import { defaultThreads } from '../backend/threads.ts';
import { commonWidth } from './block-comparison.ts';
import { type BlockPlan, type ComparedClip, fillBlock, heldClip } from './clip-blocks.ts';
import { SeqSimPairs } from './seq-sim.ts';
import { INDEX_NAME, TargetIndex } from './target-index.ts';

/**
 * Default number of targets of each source that are compared exactly. How often the best of all is among them is measured
 * by `npm run bench -- retrieval-scale`: docs/lab/benchmarks.md.
 */
export const DEFAULT_SHORTLIST = 64;
/**
 * Targets that are compared in their leading dimensions, for each on the shortlist. Among 30,000 built as near misses, the best of
 * all was for 98 % of 60 sources among the first 50 by centroids, and among the first 160 for all.
 */
const PASSES = 8;
/** Frames of the targets that a source is compared with in one run. */
const CHOSEN_FRAMES = 4096;
/** The steps as text, part of the key under which scores are stored. */
export const SHORTLIST_STEPS = `${INDEX_NAME} ${PASSES}`;
/** Targets that are read for the index in the time of one search, about. */
export const READ_PER_SEARCH = 30;
/** Cosines of frames up to which all pairs are compared exactly (15 TFLOP with Whisper base: two minutes on two cores). */
const MAX_EXACT_COSINES = 1.5e10;

/**
 * Threads that compute in a search: this one has as much work, reading, ranking and looking up. With a computing thread on every
 * core it waits for theirs, which spin: 3,000 among 3,000 took 233 ms a source on two cores, and 127 with one.
 */
export const searchThreads = (): number => Math.max(1, defaultThreads() - 1);

/** Whether comparing all clips frame by frame takes a few minutes at most. */
export function isQuickExactly(sources: readonly ComparedClip[], targets: readonly ComparedClip[]): boolean {
  return frameCount(sources) * frameCount(targets) <= MAX_EXACT_COSINES;
}

/**
 * A search among many targets in three steps: by centroids among all, in their leading dimensions among the most promising,
 * and frame by frame among the shortlist.
 */
export class ShortlistedSearch {
  private constructor(
    readonly targets: readonly ComparedClip[],
    readonly shortlist: number,
    private readonly exact: SeqSimPairs,
    private readonly index: TargetIndex | undefined,
  ) {}

  /**
   * @param targets at least one; all are read, unless all are on the shortlist
   * @param shortlist targets of each source that are compared frame by frame
   * @param onProgress called with the share of the targets that is read
   */
  static async among(
    runtime: Runtime,
    targets: readonly ComparedClip[],
    shortlist = DEFAULT_SHORTLIST,
    onProgress?: (share: number) => void,
  ): Promise<ShortlistedSearch> {
    const blocks = {
      lengths: targets.map(({ length }) => length),
      block: (plan: BlockPlan) => fillBlock(targets, plan),
    };
    const exact = new SeqSimPairs(runtime, commonWidth(targets), blocks, CHOSEN_FRAMES);
    const index = shortlist < targets.length ? await TargetIndex.of(runtime, targets, onProgress) : undefined;
    return new ShortlistedSearch(targets, Math.min(shortlist, targets.length), exact, index);
  }

  /**
   * Scores whose order within each row is the order of retrieval: SeqSim for the row's shortlist; for a target that a step
   * dropped, its score in that step, minus 2 for each step not reached, so that it ranks after all that reached it.
   * For the other direction exchange sources and targets.
   * @param onProgress called with the share of the sources that is done
   * @returns [sources, targets], row by row
   */
  async scores(
    sources: readonly ComparedClip[],
    onProgress?: (share: number) => void,
  ): Promise<Float32Array> {
    commonWidth([...this.targets.slice(0, 1), ...sources]);
    const columns = this.targets.length;
    const scores = new Float32Array(sources.length * columns);
    let begun = 0;
    let done = 0;
    // While the computing thread has one source, this thread reads for another.
    const line = async (): Promise<void> => {
      while (begun < sources.length) {
        const row = begun++;
        await this.#score(sources[row]!, scores.subarray(row * columns, (row + 1) * columns));
        onProgress?.(++done / sources.length);
      }
    };
    await Promise.all(Array.from({ length: LINES }, line));
    return scores;
  }

  async #score(clip: ComparedClip, scores: Float32Array): Promise<void> {
    const source = await heldClip(clip);
    const step = async (chosen: readonly number[], found: Promise<Float32Array>): Promise<void> => {
      const values = await found;
      for (let i = 0; i < scores.length; i++) scores[i]! -= 2;
      chosen.forEach((target, i) => {
        scores[target] = values[i]!;
      });
    };
    if (this.index) {
      const seen = await this.index.look(source);
      scores.set(seen.rough);
      const candidates = largest(scores, Math.min(scores.length, PASSES * this.shortlist));
      await step(candidates, this.index.scores(seen, candidates));
    }
    const chosen = largest(scores, this.shortlist);
    await step(chosen, this.exact.scores(source, chosen));
  }

  async unload(): Promise<void> {
    await this.exact.unload();
    await this.index?.unload();
  }
}

/** Sources in work at a time. */
const LINES = 3;

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
