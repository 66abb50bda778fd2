/** Batches of a training run, each prepared during the step before. */
import { UnreadableRecording } from '../data/recording.ts';
import { UserError } from '../errors.ts';
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

export interface PreparationOptions {
  /** See `trainingBatch`. */
  readonly tails: SilenceTails | undefined;
  readonly padding: number;
  readonly outputIds?: Int32Array | undefined;
  /** Called once with each recording that cannot be read, one line; its batches go without it. */
  readonly onUnreadable?: ((reason: string) => void) | undefined;
  /** Batches that will be taken. Default: any number. */
  readonly batches?: number;
}

export class PreparedBatches {
  readonly #drawn: Generator<number[], never>;
  /** Number of batches so far, by example. */
  readonly #visits: Uint32Array;
  /** Examples whose recording could not be read. */
  readonly #unreadable = new Set<number>();
  #next: Promise<PreparedBatch> | undefined;

  #remaining: number;

  constructor(
    readonly examples: readonly Example[],
    sampling: SamplingOptions,
    private readonly options: PreparationOptions,
  ) {
    this.#remaining = options.batches ?? Number.POSITIVE_INFINITY;
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
    this.#remaining--;
    setImmediate(() => {
      if (this.#remaining <= 0) return;
      this.#next ??= this.#prepare();
      // `next` reports the error; after the last step there is no such call.
      this.#next.catch(() => {});
    });
    return batch;
  }

  async #prepare(): Promise<PreparedBatch> {
    const { tails, padding, outputIds } = this.options;
    const drawn = this.#drawn.next().value;
    const found = await Promise.all(drawn.map((i) => this.#ready(i, this.#visits[i]!++)));
    const examples = found.filter((one) => one !== undefined);
    // What takes the place of a batch without a readable recording depends on the draw alone, as after a resumption.
    for (let next = 1; examples.length === 0; next++) {
      if (next === this.examples.length) throw new UserError('no clip can be read');
      const i = (drawn[0]! + next) % this.examples.length;
      const one = await this.#ready(i, this.#visits[drawn[0]!]!);
      if (one) examples.push(one);
    }
    return { examples, ...trainingBatch(examples, tails, padding, outputIds) };
  }

  /** Undefined where its recording cannot be read: the batch goes without it. */
  async #ready(i: number, visit: number): Promise<ReadyExample | undefined> {
    try {
      return await readyExample(this.examples[i]!, visit);
    } catch (error) {
      if (!(error instanceof UnreadableRecording)) throw error;
      if (!this.#unreadable.has(i)) this.options.onUnreadable?.(error.message);
      this.#unreadable.add(i);
      return undefined;
    }
  }

  /** Waits for a batch that is being prepared: the model must not be closed before. */
  async close(): Promise<void> {
    this.#remaining = 0;
    await this.#next?.catch(() => {});
  }
}
