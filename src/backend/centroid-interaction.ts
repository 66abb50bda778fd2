/**
 * Similarities of a source with many bags of centroids, as PLAID has them (Santhanam et al., arXiv 2205.09707): a frame of a target
 * is replaced by its centroid, so that the cosines of a source with all centroids hold those with all targets. The loops are
 * WebAssembly SIMD (kernels/centroid-interaction.ts), sixteen frames an instruction, on whole numbers: their sums are exact.
 */
import { compiledKernel } from './compiled-kernel.ts';

const PAGE = 65_536;
/** Frames of a source are padded to a multiple of this. */
export const LANES = 16;
/** Weights sum to this, but for their rounding: as int16, of a single frame, too. */
const UNIT = 2 ** 14;
/** How a cosine of -1 … 1 is written as uint8: 0 … 255. */
export const COSINE_STEPS = 127.5;

interface Kernel {
  interact(
    cosines: number,
    frames: number,
    weights: number,
    best: number,
    entries: number,
    ends: number,
    bags: number,
    precision: number,
    recall: number,
  ): void;
}

/** Centroids of a target's frames, each once. */
export interface Bag {
  readonly centroids: ArrayLike<number>;
  /** Share of the target's frames that each stands for, summing to 1. */
  readonly shares: ArrayLike<number>;
}

export interface InteractionTable {
  /** Cosines of every centroid with every frame of the source as uint8, [centroids, frames]. */
  readonly cosines: Uint8Array;
  /** The largest of each centroid, [centroids]. */
  readonly best: Uint8Array;
  /** Share of each frame in means over the source, [frames], summing to 1; 0 beyond the source. Their number is a multiple of LANES. */
  readonly shares: Float32Array;
}

const weightOf = (share: number): number => Math.round(share * UNIT);

/** All bags in the kernel's memory. */
export class CentroidInteraction {
  readonly #memory = new WebAssembly.Memory({ initial: 1 });
  readonly #kernel: Kernel;
  /** Sums of the bags' weights, rounded as they are. */
  readonly #sums: Float32Array;
  /** Places in the memory, in bytes. */
  readonly #ends: number;
  readonly #precision: number;
  readonly #recall: number;
  readonly #table: number;

  readonly #count: number;

  /** @param bags of fewer than 65,536 centroids */
  constructor(bags: readonly Bag[]) {
    this.#count = bags.length;
    const entries = bags.reduce((sum, { centroids }) => sum + centroids.length, 0);
    this.#ends = 4 * entries;
    this.#precision = this.#ends + 4 * bags.length;
    this.#recall = this.#precision + 4 * bags.length;
    this.#table = Math.ceil((this.#recall + 4 * bags.length) / LANES) * LANES;
    this.#grow(this.#table);
    const { exports } = new WebAssembly.Instance(compiledKernel('centroid-interaction'), {
      env: { memory: this.#memory },
    });
    this.#kernel = exports as unknown as Kernel;
    const values = new Uint16Array(this.#memory.buffer, 0, 2 * entries);
    const ends = new Uint32Array(this.#memory.buffer, this.#ends, bags.length);
    this.#sums = new Float32Array(bags.length);
    let count = 0;
    for (const [i, { centroids, shares }] of bags.entries()) {
      for (let c = 0; c < centroids.length; c++, count++) {
        values[2 * count] = centroids[c]!;
        const weight = weightOf(shares[c]!);
        values[2 * count + 1] = weight;
        this.#sums[i]! += weight;
      }
      ends[i] = count;
    }
  }

  #grow(bytes: number): void {
    const missing = Math.ceil(bytes / PAGE) - this.#memory.buffer.byteLength / PAGE;
    if (missing > 0) this.#memory.grow(missing);
  }

  /**
   * Mean over the source's frames of the largest cosine with a centroid of the bag, and mean over the bag of the largest cosine
   * with a frame of the source.
   * @returns [bags] each; of an empty bag -1
   */
  scores({ cosines, best, shares }: InteractionTable): { precision: Float32Array; recall: Float32Array } {
    const frames = shares.length;
    const bestAt = this.#table + cosines.length;
    const weightsAt = Math.ceil((bestAt + best.length) / LANES) * LANES;
    this.#grow(weightsAt + 2 * frames);
    const { buffer } = this.#memory;
    new Uint8Array(buffer, this.#table, cosines.length).set(cosines);
    new Uint8Array(buffer, bestAt, best.length).set(best);
    const weights = new Int16Array(buffer, weightsAt, frames);
    weights.set(shares.map(weightOf));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const count = this.#count;
    const [table, ends, precision, recall] = [this.#table, this.#ends, this.#precision, this.#recall];
    this.#kernel.interact(table, frames, weightsAt, bestAt, 0, ends, count, precision, recall);
    const means = (at: number, sumOf: (bag: number) => number) =>
      Float32Array.from(
        new Int32Array(buffer, at, count),
        (total, bag) => total / (sumOf(bag) || 1) / COSINE_STEPS - 1,
      );
    return {
      precision: means(this.#precision, () => sum),
      recall: means(this.#recall, (i) => this.#sums[i]!),
    };
  }
}
