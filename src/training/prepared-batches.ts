/** Batches of a training run, each prepared during the step before. */
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
  /** Number of batches so far, by example. */
  readonly #visits: Uint32Array;
  #next: Promise<PreparedBatch> | undefined;

  /** @param tails, padding, outputIds see `trainingBatch` */
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

  /** Skips batches of an earlier run. Only before the first `next`. */
  skip(batches: number): void {
    for (let i = 0; i < batches; i++)
      for (const example of this.#drawn.next().value) this.#visits[example]!++;
  }

  /**
   * The next batch. Preparing the one after it starts in the event loop's next turn: by then the caller has passed this
   * one to the computing thread.
   */
  async next(): Promise<PreparedBatch> {
    const begun = this.#next ?? this.#prepare();
    this.#next = undefined;
    const batch = await begun;
    setImmediate(() => {
      this.#next ??= this.#prepare();
      // `next` reports the error; after the last step there is no such call.
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
