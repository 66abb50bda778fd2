/**
 * Retrieval among many clips. SeqSim costs frames × frames for every pair: 1,000 clips of 5 s among 1,000 take
 * 64 TFLOP with Whisper base. A search in two steps takes a seventh: SeqSim of frames averaged by threes finds each
 * source's most promising targets, and only these are compared frame by frame.
 */
import type { Runtime } from '../graph/runtime.ts';
import type { WeightedClip } from './clip-blocks.ts';
import { averaged } from './mean-pool.ts';
import { seqSimMatrix, seqSimPairs } from './seq-sim.ts';

/** Frames averaged into one for the first step. */
const SPAN = 3;
/**
 * Targets of each source that are compared exactly, unless told otherwise. Measured with Whisper base: the exact best
 * of 107–115 real targets (ca→en, fr→en, ca→fr; 285 sources) was among the first 10 of the first step, always; the
 * best of 600, most of them made of halves of real ones so as to be near misses, among the first 4 (30 sources).
 */
export const DEFAULT_SHORTLIST = 32;
/** Up to so many products of frames (15 TFLOP with Whisper base: two minutes on two cores) all is compared exactly. */
const MOST_EXACT_COSINES = 1.5e10;

export interface ShortlistOptions {
  /** How many targets of each source are compared exactly. @default DEFAULT_SHORTLIST */
  readonly shortlist?: number;
  /** Called with the share of the work that is done, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/** Whether comparing everything frame by frame is a matter of a few minutes at most. */
export function isQuickExactly(sources: readonly WeightedClip[], targets: readonly WeightedClip[]): boolean {
  return frameCount(sources) * frameCount(targets) <= MOST_EXACT_COSINES;
}

/**
 * Scores whose order within each row is the order of retrieval: SeqSim for the row's shortlist; for the others SeqSim
 * of averaged frames, less 2, so that they all come after. For the other direction exchange sources and targets.
 * @returns [sources, targets], row by row
 */
export async function shortlistedSeqSim(
  runtime: Runtime,
  sources: readonly WeightedClip[],
  targets: readonly WeightedClip[],
  { shortlist = DEFAULT_SHORTLIST, onProgress }: ShortlistOptions = {},
): Promise<Float32Array> {
  const pairs = sources.length * targets.length;
  const listed = sources.length * Math.min(shortlist, targets.length);
  const firstShare = pairs / (pairs + listed * SPAN ** 2);
  const short = (clip: WeightedClip): WeightedClip => averaged(clip, SPAN);
  const scores = await seqSimMatrix(runtime, sources.map(short), targets.map(short), (done) =>
    onProgress?.((firstShare * done) / pairs),
  );
  const chosen = sources.map((_, row) =>
    best(scores.subarray(row * targets.length, (row + 1) * targets.length), shortlist),
  );
  for (let i = 0; i < scores.length; i++) scores[i]! -= 2;
  await seqSimPairs(runtime, sources, targets, chosen, scores, (done) =>
    onProgress?.(firstShare + ((1 - firstShare) * done) / listed),
  );
  return scores;
}

/** Indices of the `count` largest scores. */
function best(scores: Float32Array, count: number): number[] {
  return Array.from(scores, (_, i) => i)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, count);
}

function frameCount(clips: readonly WeightedClip[]): number {
  return clips.reduce((total, { length }) => total + length, 0);
}
