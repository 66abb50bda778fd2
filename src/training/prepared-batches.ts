/** Batches of a training run, each prepared while the step before it computes. */
import type { SilenceTails } from '../whisper/silence-tail.ts';
import {
  type Example,
  type ReadyExample,
  readyExample,
  type TrainingBatch,
  trainingBatch,
} from './batches.ts';
import { type SamplingOptions, sampleBatches } from './sampling.ts';

export interface PreparedBatch extends TrainingBatch {
  readonly examples: readonly ReadyExample[];
}

export class PreparedBatches {
  readonly #drawn: Generator<number[], never>;
  /** Of each example: how many batches had it. */
  readonly #visits: Uint32Array;
  #next: Promise<PreparedBatch> | undefined;

  /** @param tails to @param outputIds as trainingBatch has them */
  constructor(
    readonly examples: readonly Example[],
    sampling: SamplingOptions,
    readonly tails: SilenceTails | undefined,
    readonly padding: number,
    readonly outputIds?: Int32Array,
  ) {
    this.#drawn = sampleBatches(examples, sampling);
    this.#visits = new Uint32Array(examples.length);
  }

  /** Passes over batches that an earlier run has had. Only before the first `next`. */
  skip(batches: number): void {
    for (let i = 0; i < batches; i++)
      for (const example of this.#drawn.next().value) this.#visits[example]!++;
  }

  /**
   * The next batch. The one after it is begun in the event loop's next turn: by then the caller has handed this one to
   * the computing thread, and waits.
   */
  async next(): Promise<PreparedBatch> {
    const begun = this.#next ?? this.#prepare();
    this.#next = undefined;
    const batch = await begun;
    setImmediate(() => {
      this.#next ??= this.#prepare();
      // Whoever asks for it is told; after the last step nobody does.
      this.#next.catch(() => {});
    });
    return batch;
  }

  async #prepare(): Promise<PreparedBatch> {
    const drawn = this.#drawn.next().value.map((i) => readyExample(this.examples[i]!, this.#visits[i]!++));
    const examples = await Promise.all(drawn);
    return { examples, ...trainingBatch(examples, this.tails, this.padding, this.outputIds) };
  }
}
