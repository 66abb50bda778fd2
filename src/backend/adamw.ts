/**
 * AdamW (Loshchilov & Hutter 2019) as PyTorch computes it, on memory that the graph runtime writes gradients into
 * directly. The computing thread steps one part of the parameters, threads beside it the others.
 */
import { longestArena } from './adamw-arena.ts';
import { HelpedPart, Helper, OwnPart, type Part } from './adamw-parts.ts';
import ort from './onnxruntime.ts';
import type { AdamWOptions, AdamWState } from './protocol.ts';

type Weight = readonly [name: string, tensor: ort.Tensor];

/** Fewer parameters than this are stepped before they are handed over. */
const SHARED_FROM = 2 ** 21;
/** More threads do not read memory faster. */
const MOST_THREADS = 4;
/** How much the computing thread steps while another, which copies what it is handed, steps 1. */
const OWN_SHARE = 1.5;

/** Where a weight lies. */
interface Place {
  readonly dims: readonly number[];
  readonly part: Part;
  readonly start: number;
  readonly size: number;
}

export class AdamW {
  #steps: number;
  #summed = 0;

  private constructor(
    private readonly places: ReadonlyMap<string, Place>,
    private readonly parts: readonly Part[],
    private readonly helpers: readonly Helper[],
    private readonly accumulates: boolean,
    steps: number,
  ) {
    this.#steps = steps;
  }

  /**
   * @param accumulates whether steps follow sums of gradients: see `accumulate`
   * @param threads that may compute
   * @param state of an optimizer of the same weights, to resume from. Default: all moments are zero
   */
  static async create(
    weights: readonly Weight[],
    accumulates: boolean,
    threads: number,
    state?: AdamWState,
  ): Promise<AdamW> {
    const total = weights.reduce((sum, [, { size }]) => sum + size, 0);
    const helperCount = total < SHARED_FROM ? 0 : Math.min(threads, MOST_THREADS) - 1;
    const helpers = Array.from({ length: helperCount }, () => new Helper());
    const parts: Part[] = [];
    const places = new Map<string, Place>();
    const indices = new Map(weights.map(([name], i) => [name, i]));
    let rest = total;
    for (let next = 0; next < weights.length; ) {
      const k = parts.length;
      const own = k === 0 || helperCount === 0;
      const shares = own ? OWN_SHARE : 1;
      // What is left is shared with those who have no part yet.
      const others = Math.max(0, helperCount - k);
      const wanted = own ? (rest * shares) / (shares + others) : rest / (1 + others);
      const longest = longestArena(own ? 'own' : 'foreign', accumulates);
      const group: Weight[] = [];
      let count = 0;
      for (; next < weights.length; next++) {
        const length = padded(weights[next]![1].size);
        if (count > 0 && (count + length > longest || count + length / 2 > wanted)) break;
        group.push(weights[next]!);
        count += length;
      }
      const part = own
        ? new OwnPart(count, accumulates)
        : await HelpedPart.create(helpers[(k - 1) % helperCount]!, count, accumulates);
      const means = new Float32Array(state ? count : 0);
      const squares = new Float32Array(state ? count : 0);
      let start = 0;
      for (const [name, { data, dims, size }] of group) {
        part.parameters.set(data as Float32Array, start);
        if (state) {
          means.set(state.means[indices.get(name)!]!, start);
          squares.set(state.squares[indices.get(name)!]!, start);
        }
        places.set(name, { dims, part, start, size });
        start += padded(size);
        rest -= size;
      }
      if (state) await part.setMoments(means, squares);
      parts.push(part);
    }
    return new AdamW(places, parts, helpers, accumulates, state?.steps ?? 0);
  }

  /** The parameters: others after each step. */
  parameters(): Map<string, ort.Tensor> {
    return new Map(
      [...this.places].map(([name, { dims, part, start, size }]) => [
        name,
        new ort.Tensor('float32', part.parameters.subarray(start, start + size), dims),
      ]),
    );
  }

  /** Where the gradient of a weight is to be written before the next call. */
  gradient(name: string): Float32Array | undefined {
    const place = this.places.get(name);
    return place?.part.gradients.subarray(place.start, place.start + place.size);
  }

  /** A copy of the state. */
  async state(): Promise<AdamWState> {
    const moments = new Map<Part, Awaited<ReturnType<Part['moments']>>>();
    for (const part of this.parts) moments.set(part, await part.moments());
    const cut = (kind: 'means' | 'squares') =>
      [...this.places.values()].map(({ part, start, size }) =>
        moments.get(part)![kind].slice(start, start + size),
      );
    return { steps: this.#steps, means: cut('means'), squares: cut('squares') };
  }

  /**
   * Adds the gradients of the last run to the sums, `share` times. The next step follows the sums, divided by all shares
   * together.
   * @param reset discard what was added before
   */
  async accumulate(share: number, reset: boolean): Promise<void> {
    this.#summed = share + (reset ? 0 : this.#summed);
    await this.#all((part) => part.accumulate(share, reset));
  }

  /** One step. @returns the L2 norm of all gradients; where it is not finite, the step is skipped */
  async step({ learningRate, beta1, beta2, epsilon, weightDecay, clipNorm }: AdamWOptions): Promise<number> {
    const share = this.accumulates ? 1 / this.#summed : 1;
    const squares = await this.#all((part) => part.sumOfSquares());
    const norm = Math.sqrt(squares.reduce((a, b) => a + b, 0)) * share;
    if (!Number.isFinite(norm)) return norm;
    const gradientScale = share * (norm > clipNorm ? clipNorm / (norm + 1e-6) : 1);
    this.#steps++;
    const correction1 = 1 - beta1 ** this.#steps;
    const correction2 = Math.sqrt(1 - beta2 ** this.#steps);
    const decay = 1 - learningRate * weightDecay;
    await this.#all((part) =>
      part.step([learningRate, beta1, beta2, epsilon, decay, correction1, correction2, gradientScale]),
    );
    return norm;
  }

  /** The helpers first, which go on while this thread computes. */
  async #all<T>(work: (part: Part) => Promise<T>): Promise<T[]> {
    return (await Promise.all([...this.parts].reverse().map(work))).reverse();
  }

  /** Ends the helpers. */
  async close(): Promise<void> {
    await Promise.all(this.helpers.map((helper) => helper.close()));
  }
}

/** Lengths are rounded up to whole vectors of four; the rest stays zero. */
function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
