/**
 * A window fitted to the clip makes the encoder several times cheaper, but an untuned decoder then never sees
 * the silence that tells it to stop, and loops. The cure: let cross-attention see, after the clip's frames, what
 * the encoder makes of silence from there to the end of 30 s. Most of that is alike, so the first frames stay as
 * they are and the rest becomes a few k-means centres whose scores get + log(frames in the cluster).
 */

const LLOYD_STEPS = 4;

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

/** Lloyd's algorithm from equal stretches of time: neighbouring silence frames are alike, and no chance is involved. */
function kMeans(rows: Float32Array, width: number, k: number): { centres: Float32Array; counts: number[] } {
  const count = rows.length / width;
  const assigned = Int32Array.from({ length: count }, (_, i) => Math.floor((i * k) / count));
  const centres = new Float32Array(k * width);
  const counts: number[] = new Array(k).fill(0);
  for (let step = 0; ; step++) {
    const sums = new Float64Array(k * width);
    counts.fill(0);
    for (let i = 0; i < count; i++) {
      const c = assigned[i]!;
      counts[c]!++;
      for (let d = 0; d < width; d++) sums[c * width + d]! += rows[i * width + d]!;
    }
    for (let c = 0; c < k; c++) {
      // A centre that lost all its frames stays where it was, with the weight of one.
      if (counts[c] === 0) counts[c] = 1;
      else for (let d = 0; d < width; d++) centres[c * width + d] = sums[c * width + d]! / counts[c]!;
    }
    if (step === LLOYD_STEPS) return { centres, counts };
    for (let i = 0; i < count; i++) assigned[i] = nearest(rows, i * width, centres, width, k);
  }
}

function nearest(rows: Float32Array, at: number, centres: Float32Array, width: number, k: number): number {
  let best = 0;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (let c = 0; c < k; c++) {
    let distance = 0;
    for (let d = 0; d < width && distance < bestDistance; d++)
      distance += (rows[at + d]! - centres[c * width + d]!) ** 2;
    if (distance < bestDistance) {
      bestDistance = distance;
      best = c;
    }
  }
  return best;
}
