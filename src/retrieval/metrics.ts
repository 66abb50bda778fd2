/** Similarity metrics of retrieval, by name. */
import type { Runtime } from '../backend/runtime.ts';
import type { ComparedClip } from './clip-blocks.ts';
import { dtwMatrix } from './dtw.ts';
import { meanPoolMatrix } from './mean-pool.ts';
import { transportMatrix } from './optimal-transport.ts';
import { seqSimMatrix } from './seq-sim.ts';

export interface SimilarityMetric {
  readonly label: string;
  /** Similarity of all pairs, [sources, targets]; `onProgress` is called with the number of pairs done. */
  readonly matrix: (
    runtime: Runtime,
    sources: readonly ComparedClip[],
    targets: readonly ComparedClip[],
    onProgress?: (pairs: number) => void,
  ) => Promise<Float32Array>;
}

export const SIMILARITY_METRICS = {
  seqsim: { label: 'SeqSim', matrix: seqSimMatrix },
  'mean-pool': { label: 'mean frame', matrix: meanPoolMatrix },
  dtw: { label: 'DTW', matrix: dtwMatrix },
  ot: { label: 'optimal transport', matrix: transportMatrix },
  length: { label: 'length only', matrix: lengthMatrix },
} satisfies Record<string, SimilarityMetric>;

export type SimilarityMetricName = keyof typeof SIMILARITY_METRICS;

/** Baseline by length alone: −|log ratio| of the numbers of frames. */
async function lengthMatrix(
  _: Runtime,
  sources: readonly ComparedClip[],
  targets: readonly ComparedClip[],
): Promise<Float32Array> {
  const log = ({ length }: ComparedClip): number => Math.log(Math.max(1, length));
  return Float32Array.from(sources.flatMap((x) => targets.map((y) => -Math.abs(log(x) - log(y)))));
}
