/**
 * SeqSim: how alike two utterances are, by their encoder frames (Ma et al., "Cross-Lingual Transfer Learning for
 * Speech Translation", arXiv 2407.01130; BERTScore of Zhang et al., arXiv 1904.09675, on frames instead of tokens).
 *
 *   S[i, j] = cos(xᵢ, yⱼ)    P = meanᵢ maxⱼ S    R = meanⱼ maxᵢ S    SeqSim = 2PR / (P + R)
 *
 * It does not see the order of the frames. Frames that the encoder made of padding are left out.
 */
import type { Runtime } from '../graph/runtime.ts';
import { type EncodedClip, frameValues } from '../whisper/model.ts';
import { BlockComparison, commonWidth } from './block-seq-sim.ts';
import { type BlockPlan, paddedLength, planBlocks } from './clip-blocks.ts';

/**
 * Frames of a source and of a target block. Their cosines are 1024 × 2048 floats, 8 MB: large enough for a product
 * at full speed, small enough that the two maxima read them from cache.
 */
const SOURCE_FRAMES = 1024;
const TARGET_FRAMES = 2048;
/** Targets stay in the computing thread while all sources pass by, at most so many values (1 GiB) at a time. */
const RESIDENT_VALUES = 2 ** 28;

/**
 * SeqSim of every source with every target. A clip without frames has SeqSim 0 with all.
 * @param onProgress called with the number of pairs done
 * @returns [sources, targets], row by row
 */
export async function seqSimMatrix(
  runtime: Runtime,
  sources: readonly EncodedClip[],
  targets: readonly EncodedClip[],
  onProgress?: (pairs: number) => void,
): Promise<Float32Array> {
  const similarity = new Float32Array(sources.length * targets.length);
  if (similarity.length === 0) return similarity;
  const comparison = await BlockComparison.load(runtime, commonWidth([...sources, ...targets]));
  const plans = planBlocks(frameCounts(sources), SOURCE_FRAMES);
  let done = 0;
  try {
    for (const tile of tiles(planBlocks(frameCounts(targets), TARGET_FRAMES), comparison.width)) {
      const residents = [];
      for (const plan of tile) residents.push(await comparison.upload(targets, plan));
      for (const plan of plans) {
        const source = await comparison.upload(sources, plan);
        // All at once: the computing thread takes them one by one and never waits for this one.
        await Promise.all(
          residents.map(async (target) => {
            const scores = await comparison.seqSim(source, target);
            source.members.forEach((row, i) => {
              target.members.forEach((column, j) => {
                similarity[row * targets.length + column] = scores[i * target.members.length + j]!;
              });
            });
            done += scores.length;
          }),
        );
        await comparison.free([source]);
        onProgress?.(done);
      }
      await comparison.free(residents);
    }
  } finally {
    await comparison.unload();
  }
  return similarity;
}

/** Targets of one source that are compared in one run. */
const CHOSEN_FRAMES = 4096;
/** Targets are chosen from blocks of so many frames: the larger, the more of a source's targets share a run. */
const CHOICE_FRAMES = 2 ** 16;

/**
 * SeqSim of chosen pairs, written into `similarity` [sources, targets]; the other values stay.
 * @param chosen for each source, indices of targets
 * @param onProgress called with the number of pairs done
 */
export async function seqSimPairs(
  runtime: Runtime,
  sources: readonly EncodedClip[],
  targets: readonly EncodedClip[],
  chosen: readonly (readonly number[])[],
  similarity: Float32Array,
  onProgress?: (pairs: number) => void,
): Promise<void> {
  if (sources.length === 0 || targets.length === 0) return;
  const comparison = await BlockComparison.load(runtime, commonWidth([...sources, ...targets]));
  const wanted = chosen.map((columns) => new Set(columns));
  const plans = sources.map(({ length }, i) => ({ members: [i], length: paddedLength(length) }));
  let done = 0;
  try {
    for (const tile of tiles(planBlocks(frameCounts(targets), CHOICE_FRAMES), comparison.width)) {
      const residents = [];
      for (const plan of tile) residents.push(await comparison.upload(targets, plan));
      for (const [row, plan] of plans.entries()) {
        const runs = residents.flatMap((target) => {
          const places = [...target.members.keys()].filter((i) => wanted[row]!.has(target.members[i]!));
          const perRun = Math.max(1, Math.floor(CHOSEN_FRAMES / target.length));
          return Array.from({ length: Math.ceil(places.length / perRun) }, (_, i) => ({
            target,
            places: places.slice(i * perRun, (i + 1) * perRun),
          }));
        });
        if (runs.length === 0) continue;
        const source = await comparison.upload(sources, plan);
        await Promise.all(
          runs.map(async ({ target, places }) => {
            const scores = await comparison.seqSim(source, target, places);
            places.forEach((place, i) => {
              similarity[row * targets.length + target.members[place]!] = scores[i]!;
            });
            done += scores.length;
          }),
        );
        await comparison.free([source]);
        onProgress?.(done);
      }
      await comparison.free(residents);
    }
  } finally {
    await comparison.unload();
  }
}

const frameCounts = (clips: readonly EncodedClip[]): number[] => clips.map(({ length }) => length);

/** Blocks that lie in the computing thread at the same time. */
function tiles(plans: readonly BlockPlan[], width: number): BlockPlan[][] {
  const result: BlockPlan[][] = [];
  let room = 0;
  for (const plan of plans) {
    const values = plan.members.length * plan.length * width;
    if (values > room || result.length === 0) {
      result.push([]);
      room = RESIDENT_VALUES;
    }
    result.at(-1)!.push(plan);
    room -= values;
  }
  return result;
}

/**
 * The baseline: cosine of the clips' mean frames.
 * @returns [sources, targets], row by row
 */
export function meanPoolMatrix(
  runtime: Runtime,
  sources: readonly EncodedClip[],
  targets: readonly EncodedClip[],
): Promise<Float32Array> {
  // Between clips of a single frame, SeqSim is their cosine.
  const mean = (clip: EncodedClip): EncodedClip => averaged(clip, Math.max(1, clip.length));
  return seqSimMatrix(runtime, sources.map(mean), targets.map(mean));
}

/** The clip with every `span` consecutive frames replaced by their mean; the last one may be of fewer. */
export function averaged(clip: EncodedClip, span: number): EncodedClip {
  const { width } = clip;
  const length = Math.ceil(clip.length / span);
  const frames = new Float32Array(length * width);
  const values = frameValues(clip);
  for (let t = 0; t < length; t++) {
    const end = Math.min(clip.length, (t + 1) * span);
    for (let k = 0; k < width; k++) {
      let total = 0;
      for (let i = t * span; i < end; i++) total += values[i * width + k]!;
      frames[t * width + k] = total / (end - t * span);
    }
  }
  return { frames, window: length, length, width };
}
