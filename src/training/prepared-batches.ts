/** Batches of a training run, by their place in it, each prepared during the one before. */
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
  /** Their places in the list of examples. */
  readonly members: readonly number[];
}

/** An example whose recording could not be read, by its place, and the reason, one line. */
export type Unreadable = readonly [example: number, reason: string];

export interface PreparationOptions {
  /** See `trainingBatch`. */
  readonly tails: SilenceTails | undefined;
  readonly padding: number;
  readonly outputIds?: Int32Array | undefined;
  /** Called once with each example whose recording cannot be read; its batches go without it. */
  readonly onUnreadable?: ((unreadable: Unreadable) => void) | undefined;
}

/** Examples of a batch, and how often each was drawn before. */
interface Draw {
  readonly members: readonly number[];
  readonly visits: readonly number[];
  /** Visit of the first of them that follows. */
  readonly nextVisit: number;
}

export class PreparedBatches {
  readonly #sampled: Generator<number[], never>;
  /** Number of batches so far, by example. */
  readonly #visits: Uint32Array;
  /** Examples whose recording could not be read. */
  readonly #unreadable = new Set<number>();
  /** From the place `#first` on. */
  readonly #drawn: Draw[] = [];
  #first = 0;
  #ahead: { readonly place: number; readonly batch: Promise<PreparedBatch> } | undefined;
  readonly #running = new Set<Promise<PreparedBatch>>();
  #isClosed = false;

  constructor(
    readonly examples: readonly Example[],
    sampling: SamplingOptions,
    private readonly options: PreparationOptions,
  ) {
    this.#sampled = sampleBatches(examples, sampling);
    this.#visits = new Uint32Array(examples.length);
  }

  /** Batches before this place are not taken any more. They are drawn as if they had been. */
  pass(place: number): void {
    for (; this.#first < place; this.#first++) if (!this.#drawn.shift()) this.#draw();
  }

  /**
   * A batch by its place in the training, counted from 0.
   * @param next the one that will be taken next. Preparing it starts in the event loop's next turn: by then the caller has
   * passed this one to the computing thread. Default: none is prepared
   */
  async at(place: number, next?: number): Promise<PreparedBatch> {
    const batch = await (this.#ahead?.place === place ? this.#ahead.batch : this.#begin(place));
    if (next === undefined) return batch;
    setImmediate(() => {
      if (this.#isClosed || this.#ahead?.place === next) return;
      this.#ahead = { place: next, batch: this.#begin(next) };
    });
    return batch;
  }

  #begin(place: number): Promise<PreparedBatch> {
    const batch = this.#prepare(place);
    this.#running.add(batch);
    // `at` reports the error; after the last step there is no such call.
    batch.catch(() => {}).finally(() => this.#running.delete(batch));
    return batch;
  }

  #draw(): Draw {
    const members = this.#sampled.next().value;
    const visits = members.map((i) => this.#visits[i]!++);
    return { members, visits, nextVisit: this.#visits[members[0]!]! };
  }

  #drawnAt(place: number): Draw {
    while (this.#first + this.#drawn.length <= place) this.#drawn.push(this.#draw());
    return this.#drawn[place - this.#first]!;
  }

  async #prepare(place: number): Promise<PreparedBatch> {
    const { tails, padding, outputIds } = this.options;
    const drawn = this.#drawnAt(place);
    const found = await Promise.all(drawn.members.map((i, k) => this.#ready(i, drawn.visits[k]!)));
    const members = drawn.members.filter((_, k) => found[k]);
    const examples = found.filter((one) => one !== undefined);
    // What takes the place of a batch without a readable recording depends on the draw alone, as after a resumption.
    for (let next = 1; examples.length === 0; next++) {
      if (next === this.examples.length) throw new UserError('no clip can be read');
      const i = (drawn.members[0]! + next) % this.examples.length;
      const one = await this.#ready(i, drawn.nextVisit);
      if (!one) continue;
      members.push(i);
      examples.push(one);
    }
    return { examples, members, ...trainingBatch(examples, tails, padding, outputIds) };
  }

  /** Undefined where its recording cannot be read: the batch goes without it. */
  async #ready(i: number, visit: number): Promise<ReadyExample | undefined> {
    try {
      return await readyExample(this.examples[i]!, visit);
    } catch (error) {
      if (!(error instanceof UnreadableRecording)) throw error;
      this.reportUnreadable([i, error.message]);
      return undefined;
    }
  }

  /** Reports it, unless it is known. */
  reportUnreadable(unreadable: Unreadable): void {
    const [i] = unreadable;
    if (!this.#unreadable.has(i)) this.options.onUnreadable?.(unreadable);
    this.#unreadable.add(i);
  }

  /** Waits for batches that are being prepared: the model must not be closed before. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#running);
  }
}
