/** A similarity of all pairs of clips, block by block. */
import type { Runtime } from '../backend/runtime.ts';
import { BlockComparison, type BlockScore, commonWidth, type ResidentBlock } from './block-comparison.ts';
import { type BlockPlan, type ComparedClip, planBlocks } from './clip-blocks.ts';

/**
 * Frames of a source and of a target block. Their cosines are 1024 × 2048 floats, 8 MB: large enough for a product
 * at full speed, small enough that the graph that scores them reads them from cache.
 */
const SOURCE_FRAMES = 1024;
const TARGET_FRAMES = 2048;
/** Memory for targets in the computing thread, where they stay while all sources are compared with them. */
const RESIDENT_BYTES = 2 ** 28;
const VALUE_BYTES = 4;

/**
 * Computes a similarity of all pairs.
 * @param onProgress called with the number of pairs done
 * @returns [sources, targets], row by row
 */
export async function blockMatrix(
  runtime: Runtime,
  score: BlockScore,
  sources: readonly ComparedClip[],
  targets: readonly ComparedClip[],
  onProgress?: (pairs: number) => void,
): Promise<Float32Array> {
  const similarity = new Float32Array(sources.length * targets.length);
  if (similarity.length === 0) return similarity;
  const comparison = new BlockComparison(runtime, commonWidth([...sources, ...targets]), score);
  const plans = planBlocks(frameCounts(sources), SOURCE_FRAMES);
  let done = 0;
  try {
    for await (const residents of residentTiles(comparison, targets)) {
      for await (const source of prefetched(plans, (plan) => comparison.upload(sources, plan))) {
        // All at once: the computing thread takes them one by one and never waits for this one.
        await Promise.all(
          residents.map(async (target) => {
            const scores = await comparison.compare(source, target);
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
    }
  } finally {
    await comparison.unload();
  }
  return similarity;
}

const frameCounts = (clips: readonly ComparedClip[]): number[] => clips.map(({ length }) => length);

/**
 * The targets in blocks, as many blocks at a time as the computing thread holds; they are freed when the next are read.
 */
async function* residentTiles(
  comparison: BlockComparison,
  targets: readonly ComparedClip[],
): AsyncGenerator<ResidentBlock[], void> {
  for (const tile of tiles(planBlocks(frameCounts(targets), TARGET_FRAMES), comparison.width * VALUE_BYTES)) {
    const residents: ResidentBlock[] = [];
    for (const plan of tile) residents.push(await comparison.upload(targets, plan));
    yield residents;
    await comparison.free(residents);
  }
}

/** Results of `make` for the items, in order; the next one is computed while one is in use. */
export async function* prefetched<Item, Result>(
  items: readonly Item[],
  make: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void> {
  let next: Promise<Result> | undefined;
  for (const [i, item] of items.entries()) {
    const result = await (next ?? make(item));
    next = i + 1 < items.length ? make(items[i + 1]!) : undefined;
    // If the caller stops early, a failed prefetch must not be an unhandled rejection.
    next?.catch(() => {});
    yield result;
  }
}

/** Groups of blocks that fit into the computing thread together. */
function tiles(plans: readonly BlockPlan[], frameBytes: number): BlockPlan[][] {
  const result: BlockPlan[][] = [];
  let room = 0;
  for (const plan of plans) {
    const bytes = plan.members.length * plan.length * frameBytes;
    if (bytes > room || result.length === 0) {
      result.push([]);
      room = RESIDENT_BYTES;
    }
    result.at(-1)!.push(plan);
    room -= bytes;
  }
  return result;
}
