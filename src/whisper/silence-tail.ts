/**
 * A window fitted to the clip makes the encoder several times cheaper, but an untuned decoder then never sees
 * the silence that tells it to stop, and loops. The cure: let cross-attention see, after the clip's frames, what
 * the encoder makes of silence from there to the end of 30 s. Most of that is alike, so the first frames stay as
 * they are and the rest becomes a few k-means centres whose scores get + log(frames in the cluster).
 */

import { kMeans } from './k-means.ts';

export interface TailSizes {
  /** Silence frames kept as they are. */
  readonly kept: number;
  /** Centres that stand for all later silence frames. */
  readonly centres: number;
  /** Tails are made for positions this far apart. */
  readonly positionStep: number;
}

export const defaultTailSizes: TailSizes = { kept: 32, centres: 32, positionStep: 64 };

export interface SilenceTail {
  /** [count, width] */
  readonly frames: Float32Array;
  /** Added to the attention scores of each tail frame, [count]. */
  readonly bias: Float32Array;
}

export class SilenceTails {
  readonly #tails = new Map<number, SilenceTail>();

  /** @param silence encoder output of 30 s of silence, [positions, width] */
  constructor(
    readonly silence: Float32Array,
    readonly width: number,
    readonly sizes: TailSizes = defaultTailSizes,
  ) {}

  /** The tail for a clip window of `frames` frames; undefined where the window already reaches (nearly) the end. */
  after(frames: number): SilenceTail | undefined {
    const { kept, centres, positionStep } = this.sizes;
    const position = Math.ceil(frames / positionStep) * positionStep;
    if (position + kept + centres >= this.silence.length / this.width) return undefined;
    let tail = this.#tails.get(position);
    if (!tail) {
      tail = this.#make(position);
      this.#tails.set(position, tail);
    }
    return tail;
  }

  #make(position: number): SilenceTail {
    const { silence, width } = this;
    const { kept, centres: k } = this.sizes;
    const rest = silence.subarray((position + kept) * width);
    const { centres, counts } = kMeans(rest, width, k);
    const frames = new Float32Array((kept + k) * width);
    frames.set(silence.subarray(position * width, (position + kept) * width));
    frames.set(centres, kept * width);
    const bias = new Float32Array(kept + k);
    counts.forEach((count, i) => {
      bias[kept + i] = Math.log(count);
    });
    return { frames, bias };
  }
}
