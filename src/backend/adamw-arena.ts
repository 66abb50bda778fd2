/**
 * AdamW over one stretch of parameters. The loops are WebAssembly SIMD (kernels/adamw.ts): memory speed is the limit, and
 * inside an ONNX graph the same update takes twice as long.
 */
import { readFileSync } from 'node:fs';

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

/** The last arguments of the kernel `step`, in its order. */
export type StepFactors = readonly [
  learningRate: number,
  beta1: number,
  beta2: number,
  epsilon: number,
  decay: number,
  correction1: number,
  correction2: number,
  gradientScale: number,
];

const PAGE = 65_536;
const MAX_BYTES = 65_535 * PAGE; // a WebAssembly memory addresses 4 GB
/** Foreign values are copied to the kernels' memory so many at a time: they stay in the processor's cache. */
const CHUNK = 8192;

/** `own`: parameters and gradients lie in the arena. `foreign`: they are given at each call, and copied piece by piece. */
export type ArenaKind = 'own' | 'foreign';

/** The longest arena, a multiple of 4. */
export function longestArena(kind: ArenaKind, accumulates: boolean): number {
  const kinds = (kind === 'own' ? 4 : 2) + Number(accumulates);
  return 4 * Math.floor((MAX_BYTES / 4 - 2 * CHUNK) / kinds / 4);
}

let module: WebAssembly.Module | undefined;

/** Parameters, gradients, moments and, where gradients are accumulated, their sums, each in one stretch. */
export class Arena {
  readonly #kernels: Kernels;
  readonly #buffer: ArrayBuffer;
  /** Length of the stretches of parameters and gradients. */
  readonly #held: number;
  readonly #accumulates: boolean;

  /** @param count a multiple of 4 */
  constructor(
    readonly count: number,
    accumulates: boolean,
    kind: ArenaKind,
  ) {
    this.#accumulates = accumulates;
    this.#held = kind === 'own' ? count : CHUNK;
    const pages = Math.ceil((4 * (2 * this.#held + (accumulates ? 3 : 2) * count)) / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#buffer = memory.buffer;
    module ??= new WebAssembly.Module(readFileSync(new URL('./adamw.wasm', import.meta.url)));
    this.#kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
  }

  parameters = (start: number, length: number): Float32Array => this.#view(0, start, length);
  gradients = (start: number, length: number): Float32Array => this.#view(4 * this.#held, start, length);
  means = (start: number, length: number): Float32Array => this.#view(this.#means, start, length);
  squares = (start: number, length: number): Float32Array => this.#view(this.#squares, start, length);

  #view(stretch: number, start: number, length: number): Float32Array {
    return new Float32Array(this.#buffer, stretch + 4 * start, length);
  }

  get #means(): number {
    return 8 * this.#held;
  }

  get #squares(): number {
    return this.#means + 4 * this.count;
  }

  get #sums(): number {
    return this.#squares + 4 * this.count;
  }

  /** Σ g² of the gradients, or of their sums where they are accumulated. */
  sumOfSquares(gradients?: Float32Array): number {
    if (this.#accumulates) return this.#kernels.sumOfSquares(this.#sums, this.count);
    return this.#pieces({ gradients }, (_, length) =>
      this.#kernels.sumOfSquares(4 * this.#held, length),
    ).reduce((a, b) => a + b, 0);
  }

  accumulate(share: number, reset: boolean, gradients?: Float32Array): void {
    this.#pieces({ gradients }, (start, length) =>
      this.#kernels.addScaled(this.#sums + 4 * start, 4 * this.#held, length, Number(!reset), share),
    );
  }

  step(factors: StepFactors, parameters?: Float32Array, gradients?: Float32Array): void {
    this.#pieces({ parameters, gradients }, (start, length) => {
      this.#kernels.step(
        0,
        this.#accumulates ? this.#sums + 4 * start : 4 * this.#held,
        this.#means + 4 * start,
        this.#squares + 4 * start,
        length,
        ...factors,
      );
      parameters?.set(this.parameters(0, length), start);
    });
  }

  /** Runs `work` on the whole arena; with foreign values on each piece of it, when its values lie in the arena. */
  #pieces<T>(
    {
      parameters,
      gradients,
    }: { parameters?: Float32Array | undefined; gradients?: Float32Array | undefined },
    work: (start: number, length: number) => T,
  ): T[] {
    const results: T[] = [];
    const piece = Math.min(this.#held, this.count);
    for (let start = 0; start < this.count; start += piece) {
      const length = Math.min(piece, this.count - start);
      if (parameters) this.parameters(0, length).set(parameters.subarray(start, start + length));
      if (gradients) this.gradients(0, length).set(gradients.subarray(start, start + length));
      results.push(work(start, length));
    }
    return results;
  }
}
