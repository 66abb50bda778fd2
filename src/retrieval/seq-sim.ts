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
import { BlockComparison, type BlockScore, commonWidth } from './block-comparison.ts';
import { blockMatrix, prefetched, residentTiles } from './block-matrix.ts';
import { type ComparedClip, paddedLength } from './clip-blocks.ts';

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

/** Targets of one source that are compared in one run. */
const CHOSEN_FRAMES = 4096;
/** Frames of a block that targets are chosen from: the larger, the more of a source's targets share a run. */
const CHOICE_FRAMES = 2 ** 15;

/**
 * SeqSim of chosen pairs, written into `similarity` [sources, targets]; the other values stay.
 * @param chosen for each source, indices of targets
 * @param onProgress called with the number of pairs done
 */
export async function seqSimPairs(
  runtime: Runtime,
  sources: readonly ComparedClip[],
  targets: readonly ComparedClip[],
  chosen: readonly (readonly number[])[],
  similarity: Float32Array,
  onProgress?: (pairs: number) => void,
): Promise<void> {
  if (sources.length === 0 || targets.length === 0) return;
  const comparison = new BlockComparison(runtime, commonWidth([...sources, ...targets]), seqSim);
  const wanted = chosen.map((columns) => new Set(columns));
  let done = 0;
  try {
    for await (const residents of residentTiles(comparison, targets, CHOICE_FRAMES, 'float16')) {
      const rows = sources.flatMap((_, row) => {
        const runs = residents.flatMap((target) => {
          const places = [...target.members.keys()].filter((i) => wanted[row]!.has(target.members[i]!));
          const perRun = Math.max(1, Math.floor(CHOSEN_FRAMES / target.length));
          return Array.from({ length: Math.ceil(places.length / perRun) }, (_, i) => ({
            target,
            places: places.slice(i * perRun, (i + 1) * perRun),
          }));
        });
        return runs.length > 0 ? [{ row, runs }] : [];
      });
      const upload = async ({ row, runs }: (typeof rows)[number]) => {
        const plan = { members: [row], length: paddedLength(sources[row]!.length) };
        return { row, runs, source: await comparison.upload(sources, plan) };
      };
      for await (const { row, runs, source } of prefetched(rows, upload)) {
        await Promise.all(
          runs.map(async ({ target, places }) => {
            const scores = await comparison.compare(source, target, places);
            places.forEach((place, i) => {
              similarity[row * targets.length + target.members[place]!] = scores[i]!;
            });
            done += scores.length;
          }),
        );
        await comparison.free([source]);
        onProgress?.(done);
      }
    }
  } finally {
    await comparison.unload();
  }
}
