/** Parts of an optimizer's parameters, each stepped by one thread. */
import { Worker } from 'node:worker_threads';
import { Arena, type StepFactors } from './adamw-arena.ts';
import type { ArenaReply, ArenaRequest } from './adamw-thread.ts';

type Values = Float32Array<ArrayBuffer>;

export interface Part {
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  /** Σ g², see `Arena`. */
  sumOfSquares(): Promise<number>;
  accumulate(share: number, reset: boolean): Promise<void>;
  step(factors: StepFactors): Promise<void>;
  /** Copies. */
  moments(): Promise<{ readonly means: Float32Array; readonly squares: Float32Array }>;
  setMoments(means: Values, squares: Values): Promise<void>;
}

/** A part that this thread steps. */
export class OwnPart implements Part {
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  readonly #arena: Arena;

  constructor(count: number, accumulates: boolean) {
    this.#arena = new Arena(count, accumulates, 'own');
    this.parameters = this.#arena.parameters(0, count);
    this.gradients = this.#arena.gradients(0, count);
  }

  async sumOfSquares(): Promise<number> {
    return this.#arena.sumOfSquares();
  }

  async accumulate(share: number, reset: boolean): Promise<void> {
    this.#arena.accumulate(share, reset);
  }

  async step(factors: StepFactors): Promise<void> {
    this.#arena.step(factors);
  }

  async moments() {
    const { count } = this.#arena;
    return { means: this.#arena.means(0, count).slice(), squares: this.#arena.squares(0, count).slice() };
  }

  async setMoments(means: Values, squares: Values): Promise<void> {
    this.#arena.means(0, means.length).set(means);
    this.#arena.squares(0, squares.length).set(squares);
  }
}

/** A part that a thread beside this one steps. Its arrays are others after each call. */
export class HelpedPart implements Part {
  parameters: Values;
  gradients: Values;

  private constructor(
    private readonly helper: Helper,
    private readonly arena: number,
    count: number,
  ) {
    this.parameters = new Float32Array(count);
    this.gradients = new Float32Array(count);
  }

  static async create(helper: Helper, count: number, accumulates: boolean): Promise<HelpedPart> {
    const arena = helper.arenas++;
    await helper.ask({ type: 'create', arena, count, accumulates });
    return new HelpedPart(helper, arena, count);
  }

  async sumOfSquares(): Promise<number> {
    const { arena, gradients } = this;
    return (await this.#handOver({ type: 'sum-of-squares', arena, gradients })).sum!;
  }

  async accumulate(share: number, reset: boolean): Promise<void> {
    const { arena, gradients } = this;
    await this.#handOver({ type: 'accumulate', arena, gradients, share, reset });
  }

  async step(factors: StepFactors): Promise<void> {
    const { arena, parameters, gradients } = this;
    await this.#handOver({ type: 'step', arena, parameters, gradients, factors });
  }

  async moments() {
    const { means, squares } = await this.helper.ask({ type: 'moments', arena: this.arena });
    return { means: means!, squares: squares! };
  }

  async setMoments(means: Values, squares: Values): Promise<void> {
    await this.helper.ask({ type: 'set-moments', arena: this.arena, means, squares }, [means, squares]);
  }

  async #handOver(request: ArenaRequest & { gradients: Values; parameters?: Values }): Promise<ArenaReply> {
    const { gradients, parameters } = request;
    const reply = await this.helper.ask(request, parameters ? [gradients, parameters] : [gradients]);
    this.gradients = reply.gradients!;
    if (reply.parameters) this.parameters = reply.parameters;
    return reply;
  }
}

/** A thread beside this one. It answers in the order in which it is asked. */
export class Helper {
  /** How many arenas it was asked for. */
  arenas = 0;
  readonly #worker = new Worker(new URL('./adamw-thread.js', import.meta.url), { execArgv: [] });
  readonly #waiting: { resolve: (reply: ArenaReply) => void; reject: (error: Error) => void }[] = [];

  constructor() {
    this.#worker.on('message', (reply: ArenaReply) => this.#waiting.shift()!.resolve(reply));
    this.#worker.on('error', (error) => {
      for (const { reject } of this.#waiting.splice(0)) reject(error as Error);
    });
  }

  /** @param given arrays that move to the thread */
  ask(request: ArenaRequest, given: readonly Values[] = []): Promise<ArenaReply> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(
        request,
        given.map(({ buffer }) => buffer),
      );
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
