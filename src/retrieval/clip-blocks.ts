/** Clips of similar length side by side in one tensor, so that matrix products are large. */
import { float16ToFloat32 } from '../half-precision.ts';
import { type EncodedClip, frameValues } from '../whisper/encoded-clip.ts';
import { isLazy, type Lazy } from '../whisper/lazy.ts';

/** Longer clips do not join a block, so that at most a fifth of it is padding. */
const LENGTH_RATIO = 1.25;

/** Clips read at a time to fill a block. */
const READ_AT_ONCE = 8;

/** A clip with optional weights of its frames. */
export interface WeightedClip extends EncodedClip {
  /** Share of each frame in means over the clip, [length], summing to 1. Default: uniform. */
  readonly weights?: Float32Array;
}

/** A clip in memory or read from disk when a block needs it: of many clips only a few blocks are in memory. */
export type ComparedClip = WeightedClip | Lazy<WeightedClip>;

export const heldClip = (clip: ComparedClip): WeightedClip | Promise<WeightedClip> =>
  isLazy<WeightedClip>(clip) ? clip.read() : clip;

/**
 * Applies `change` to the clip: at once, or whenever it is read.
 * @param length frames after it
 */
export function changedClip(
  clip: ComparedClip,
  length: number,
  change: (clip: WeightedClip) => WeightedClip,
): ComparedClip {
  if (!isLazy<WeightedClip>(clip)) return change(clip);
  return { window: length, length, width: clip.width, read: async () => change(await clip.read()) };
}

/** [length], summing to 1 unless the clip has no frames */
export function frameShares({ length, weights }: WeightedClip): Float32Array {
  return weights ?? new Float32Array(length).fill(1 / length);
}

export interface BlockPlan {
  /** Indices of the clips in the list that was divided into blocks. */
  readonly members: readonly number[];
  /** Frames of each member, padding included. */
  readonly length: number;
}

export interface ClipBlock extends BlockPlan {
  /** Frames of each member, padding not counted. */
  readonly lengths: readonly number[];
  /** [members, length, width]; float16 where all the clips are, int8 where each frame has a scale of its own */
  readonly frames: Float32Array | Uint16Array | Int8Array;
  /** [members, length]: the share of each of the clip's own frames, 0 for padding, so that means become sums. */
  readonly weights: Float32Array;
}

/**
 * Groups clips of similar length into blocks, so that little is padding.
 * @param lengths frames of each clip
 * @param maxFrames frames of a block, unless a single clip has more
 */
export function planBlocks(lengths: readonly number[], maxFrames: number): BlockPlan[] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const blocks: { members: number[]; length: number }[] = [];
  for (const clip of order) {
    const length = paddedLength(lengths[clip]!);
    const last = blocks.at(-1);
    if (
      last &&
      (last.members.length + 1) * length <= maxFrames &&
      length <= LENGTH_RATIO * paddedLength(lengths[last.members[0]!]!)
    ) {
      last.members.push(clip);
      last.length = length;
    } else {
      blocks.push({ members: [clip], length });
    }
  }
  return blocks;
}

/** Frames of a clip rounded up by 6 % at most, so that few different shapes occur: the runtime keeps memory for each. */
export function paddedLength(frames: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, frames) / 16)));
  return Math.max(1, Math.ceil(frames / step) * step);
}

/**
 * The block's tensors. Padding repeats the clip's first frame: a frame that is there twice changes no maximum, so
 * nothing needs a mask. Encoder frames of the silence after the clip are excluded.
 */
export async function fillBlock(
  clips: readonly ComparedClip[],
  { members, length }: BlockPlan,
): Promise<ClipBlock> {
  const width = clips[members[0]!]!.width;
  const weights = new Float32Array(members.length * length);
  let frames: Float32Array | Uint16Array = new Uint16Array(members.length * length * width);
  // Averaged clips are read whole: those of a block together would be many times the block.
  for (let place = 0; place < members.length; place += READ_AT_ONCE) {
    const some = members.slice(place, place + READ_AT_ONCE);
    const held = await Promise.all(some.map((index) => heldClip(clips[index]!)));
    for (const [i, clip] of held.entries()) {
      if (frames instanceof Uint16Array && clip.frames instanceof Float32Array) {
        frames = float16ToFloat32(frames);
      }
      const first = (place + i) * length;
      const values = frames instanceof Uint16Array ? clip.frames : frameValues(clip);
      frames.set(values.subarray(0, clip.length * width), first * width);
      weights.set(frameShares(clip), first);
      if (clip.length === 0) continue;
      for (let t = clip.length; t < length; t++) frames.set(values.subarray(0, width), (first + t) * width);
    }
  }
  return { members, length, lengths: members.map((index) => clips[index]!.length), frames, weights };
}
