/**
 * SeqSim: how alike two utterances are, by their encoder frames (Ma et al., "Cross-Lingual Transfer Learning for
 * Speech Translation", arXiv 2407.01130; BERTScore of Zhang et al., arXiv 1904.09675, on frames instead of tokens).
 *
 *   S[i, j] = cos(xᵢ, yⱼ)    P = meanᵢ maxⱼ S    R = meanⱼ maxᵢ S    SeqSim = 2PR / (P + R)
 *
 * It ignores the order of the frames. Encoder frames of padding are excluded.
 */

import type { Runtime } from '../backend/runtime.ts';
import { max, mul, reshape, sum } from '../graph/ops.ts';
import { BlockComparison, type BlockScore } from './block-comparison.ts';
import { blockMatrix, prefetched } from './block-matrix.ts';
import {
  type BlockPlan,
  type ClipBlock,
  type ComparedClip,
  paddedLength,
  planBlocks,
} from './clip-blocks.ts';

const seqSim: BlockScore = {
  outputs: (cosines, sourceWeights, targetWeights) => {
    const bestTarget = max(cosines, 3); // [p, a, q, 1]
    const bestSource = max(cosines, 1); // [p, 1, q, b]
    return {
      precision: sum(mul(bestTarget, reshape(sourceWeights, ['p', 'a', 1, 1])), [1]), // [p, 1, q, 1]
      recall: sum(mul(bestSource, targetWeights), [3]),
    };
  },
  score: ({ precision, recall }) => precision!.map((value, i) => harmonicMean(value, recall![i]!)),
};

/** Harmonic mean of precision and recall; 0 where their signs differ, as it is then undefined and of any size. */
export function harmonicMean(precision: number, recall: number): number {
  return precision * recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
}

/**
 * SeqSim of every source with every target. A clip without frames has SeqSim 0 with all.
 * @param onProgress called with the number of pairs done
 * @returns [sources, targets], row by row
 */
export function seqSimMatrix(
  runtime: Runtime,
  sources: readonly ComparedClip[],
  targets: readonly ComparedClip[],
  onProgress?: (pairs: number) => void,
): Promise<Float32Array> {
  return blockMatrix(runtime, seqSim, sources, targets, onProgress);
}

/** Targets that blocks are made of when they are needed. */
export interface TargetBlocks {
  /** Frames of each target. */
  readonly lengths: readonly number[];
  readonly block: (plan: BlockPlan) => ClipBlock | Promise<ClipBlock>;
}

/** SeqSim of one source after the other with some of the targets. */
export class SeqSimPairs {
  readonly #comparison: BlockComparison;

  /** @param maxFrames of the targets that a source is compared with in one run */
  constructor(
    runtime: Runtime,
    width: number,
    private readonly targets: TargetBlocks,
    private readonly maxFrames: number,
  ) {
    this.#comparison = new BlockComparison(runtime, width, seqSim);
  }

  /**
   * @param chosen indices of targets
   * @returns [chosen]
   */
  async scores(source: ComparedClip, chosen: readonly number[]): Promise<Float32Array> {
    const comparison = this.#comparison;
    const { lengths, block } = this.targets;
    const scores = new Float32Array(chosen.length);
    const own = await comparison.upload([source], { members: [0], length: paddedLength(source.length) });
    const plans = planBlocks(
      chosen.map((target) => lengths[target]!),
      this.maxFrames,
    );
    const placed = async ({ members, length }: BlockPlan) =>
      comparison.place(await block({ members: members.map((place) => chosen[place]!), length }));
    let at = 0;
    for await (const some of prefetched(plans, placed)) {
      const found = await comparison.compare(own, some);
      plans[at++]!.members.forEach((place, i) => {
        scores[place] = found[i]!;
      });
      await comparison.free([some]);
    }
    await comparison.free([own]);
    return scores;
  }

  unload(): Promise<void> {
    return this.#comparison.unload();
  }
}
