/**
 * AdamW (Loshchilov & Hutter 2019) as PyTorch computes it, on memory that the graph runtime writes gradients
 * into directly. The loops are WebAssembly SIMD (kernels/adamw.ts): memory speed is the limit, and inside an
 * ONNX graph the same update takes twice as long.
 */
import { compiledKernel } from './compiled-kernel.ts';
import ort from './onnxruntime.ts';
import type { AdamWOptions, AdamWState } from './protocol.ts';

interface Kernels {
  sumOfSquares(values: number, count: number): number;
  addScaled(sums: number, values: number, count: number, keep: number, factor: number): void;
  step(
    parameters: number,
    gradients: number,
    means: number,
    squares: number,
    count: number,
    learningRate: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    decay: number,
    correction1: number,
    correction2: number,
    gradientScale: number,
  ): void;
}

const PAGE = 65_536;
const MAX_ARENA_BYTES = 65_535 * PAGE; // a WebAssembly memory addresses 4 GB

/**
 * Parameters, gradients, moments and, where gradients are accumulated, their sums, each kind in one stretch of a
 * WebAssembly memory.
 */
interface Arena {
  readonly kernels: Kernels;
  readonly count: number;
}

export class AdamW {
  readonly parameters = new Map<string, ort.Tensor>();
  readonly gradients = new Map<string, ort.Tensor>();
  readonly #means: Float32Array[] = [];
  readonly #squares: Float32Array[] = [];
  readonly #arenas: Arena[] = [];
  /** Stretches of an arena: the sums are the fifth. */
  readonly #kinds: number;
  #steps = 0;
  #summed = 0;

  /**
   * @param accumulates whether steps follow sums of gradients: see `accumulate`
   * @param state of an optimizer of the same weights, to resume from. Default: all moments are zero
   */
  constructor(weights: readonly (readonly [string, ort.Tensor])[], accumulates: boolean, state?: AdamWState) {
    this.#kinds = accumulates ? 5 : 4;
    const module = compiledKernel('adamw');
    let group: (readonly [string, ort.Tensor])[] = [];
    let size = 0;
    for (const entry of weights) {
      const length = padded(entry[1].size);
      if (4 * this.#kinds * (size + length) > MAX_ARENA_BYTES) {
        this.#arenas.push(this.#place(module, group, size));
        group = [];
        size = 0;
      }
      group.push(entry);
      size += length;
    }
    if (group.length > 0) this.#arenas.push(this.#place(module, group, size));
    if (!state) return;
    this.#steps = state.steps;
    this.#means.forEach((values, i) => values.set(state.means[i]!));
    this.#squares.forEach((values, i) => values.set(state.squares[i]!));
  }

  /** A copy of the state. */
  state(): AdamWState {
    return {
      steps: this.#steps,
      means: this.#means.map((values) => values.slice()),
      squares: this.#squares.map((values) => values.slice()),
    };
  }

  #place(
    module: WebAssembly.Module,
    group: readonly (readonly [string, ort.Tensor])[],
    count: number,
  ): Arena {
    const pages = Math.ceil((4 * this.#kinds * count) / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    let offset = 0;
    for (const [name, tensor] of group) {
      const values = new Float32Array(memory.buffer, 4 * offset, tensor.size);
      values.set(tensor.data as Float32Array);
      this.parameters.set(name, new ort.Tensor('float32', values, tensor.dims));
      const stretch = (kind: number) =>
        new Float32Array(memory.buffer, 4 * (kind * count + offset), tensor.size);
      this.gradients.set(name, new ort.Tensor('float32', stretch(1), tensor.dims));
      this.#means.push(stretch(2));
      this.#squares.push(stretch(3));
      offset += padded(tensor.size);
    }
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return { kernels: exports as unknown as Kernels, count };
  }

  /** A copy of the gradients of the last run, one weight's after another's. */
  gradientCopy(): Float32Array {
    const all = new Float32Array([...this.gradients.values()].reduce((sum, { size }) => sum + size, 0));
    for (const [values, at] of this.#gradientPlaces()) all.set(values, at);
    return all;
  }

  /** Takes such gradients for those of the last run. */
  setGradients(values: Float32Array): void {
    for (const [own, at] of this.#gradientPlaces()) own.set(values.subarray(at, at + own.length));
  }

  *#gradientPlaces(): Generator<[values: Float32Array, at: number]> {
    let at = 0;
    for (const { data, size } of this.gradients.values()) {
      yield [data as Float32Array, at];
      at += size;
    }
  }

  /**
   * Adds the gradients of the last run to the sums, `share` times. The next step follows the sums, divided by all shares
   * together.
   * @param reset discard what was added before
   */
  accumulate(share: number, reset: boolean): void {
    this.#summed = share + (reset ? 0 : this.#summed);
    for (const { kernels, count } of this.#arenas) {
      kernels.addScaled(16 * count, 4 * count, count, Number(!reset), share);
    }
  }

  /** One step. @returns the L2 norm of all gradients; where it is not finite, the step is skipped */
  step({ learningRate, beta1, beta2, epsilon, weightDecay, clipNorm }: AdamWOptions): number {
    const [kind, share] = this.#kinds === 5 ? [4, 1 / this.#summed] : [1, 1];
    let squares = 0;
    for (const { kernels, count } of this.#arenas) squares += kernels.sumOfSquares(4 * kind * count, count);
    const norm = Math.sqrt(squares) * share;
    if (!Number.isFinite(norm)) return norm;
    const gradientScale = share * (norm > clipNorm ? clipNorm / (norm + 1e-6) : 1);
    this.#steps++;
    const correction1 = 1 - beta1 ** this.#steps;
    const correction2 = Math.sqrt(1 - beta2 ** this.#steps);
    const decay = 1 - learningRate * weightDecay;
    for (const { kernels, count } of this.#arenas) {
      const at = (place: number): number => 4 * count * place;
      kernels.step(
        at(0),
        at(kind),
        at(2),
        at(3),
        count,
        learningRate,
        beta1,
        beta2,
        epsilon,
        decay,
        correction1,
        correction2,
        gradientScale,
      );
    }
    return norm;
  }
}

/** Lengths are rounded up to whole vectors of four; the rest stays zero. */
function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
