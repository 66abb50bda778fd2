/**
 * A window fitted to the clip makes the encoder several times cheaper, but an untuned decoder then never sees the silence
 * after which it stops, and loops. So cross-attention also sees, after the clip's frames, the encoder outputs of silence
 * from there to the end of 30 s. Most of these are similar: the first frames are kept and the others become a few k-means
 * centres whose scores get + log(frames in the cluster).
 *
 * The encoder's own attention lacks the silence, too: short clips are then misread, and the end of text is uncertain. So
 * each of its layers sees, beside the clip, its own states for silence: a few means of equally long stretches.
 */

import { kMeans } from './k-means.ts';

export interface TailSizes {
  /** Number of silence frames that are kept. */
  readonly kept: number;
  /** Number of centres that replace all later silence frames. */
  readonly centres: number;
  /** Distance of the positions that tails are computed for, frames. */
  readonly positionStep: number;
}

export const defaultTailSizes: TailSizes = { kept: 32, centres: 32, positionStep: 64 };

export interface SilenceTail {
  /** [count, width] */
  readonly frames: Float32Array;
  /** Added to the attention scores of each tail frame, [count]. */
  readonly bias: Float32Array;
}

/** Silence for the encoder's layers: see `silenceContext`. */
export interface EncoderSilenceTail {
  /** For each layer [count, width]. */
  readonly layers: readonly Float32Array[];
  /** Added to the attention scores of each, [count]. */
  readonly bias: Float32Array;
}

/** Encoder states of 30 s of silence. */
export interface SilenceEncoding {
  /** Its output, [positions, width]. */
  readonly output: Float32Array;
  /** Input of the attention of each layer, [positions, width]. */
  readonly layers: readonly Float32Array[];
}

/** Stretches of silence that each encoder layer sees: 8, 16 and 32 read equally well. */
const ENCODER_STRETCHES = 16;

export class SilenceTails {
  readonly #tails = new Map<number, SilenceTail>();
  readonly #layers = new Map<number, EncoderSilenceTail>();

  constructor(
    readonly silence: SilenceEncoding,
    readonly width: number,
    readonly sizes: TailSizes = defaultTailSizes,
  ) {}

  /** Silence for the encoder's layers after a window of `frames` frames; none where it reaches (nearly) the end. */
  inEncoder(frames: number): EncoderSilenceTail {
    let cached = this.#layers.get(frames);
    if (!cached) {
      const { output, layers } = this.silence;
      const left = output.length / this.width - frames;
      const count = left >= ENCODER_STRETCHES ? ENCODER_STRETCHES : 0;
      const edges = Array.from({ length: count + 1 }, (_, i) => frames + Math.floor((i * left) / count));
      cached = {
        layers: layers.map((layer) => stretchMeans(layer, this.width, edges)),
        bias: Float32Array.from({ length: count }, (_, i) => Math.log(edges[i + 1]! - edges[i]!)),
      };
      this.#layers.set(frames, cached);
    }
    return cached;
  }

  /** The tail for a clip window of `frames` frames; undefined where the window already reaches (nearly) the end. */
  after(frames: number): SilenceTail | undefined {
    const { kept, centres, positionStep } = this.sizes;
    const position = Math.ceil(frames / positionStep) * positionStep;
    if (position + kept + centres >= this.silence.output.length / this.width) return undefined;
    let tail = this.#tails.get(position);
    if (!tail) {
      tail = this.#make(position);
      this.#tails.set(position, tail);
    }
    return tail;
  }

  #make(position: number): SilenceTail {
    const { width } = this;
    const silence = this.silence.output;
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

/** Means of the rows from each edge to the next, [edges - 1, width]. */
function stretchMeans(rows: Float32Array, width: number, edges: readonly number[]): Float32Array {
  const means = new Float32Array((edges.length - 1) * width);
  for (let i = 0; i + 1 < edges.length; i++) {
    const [from, to] = [edges[i]!, edges[i + 1]!];
    for (let row = from; row < to; row++) {
      for (let d = 0; d < width; d++) means[i * width + d]! += rows[row * width + d]! / (to - from);
    }
  }
  return means;
}
