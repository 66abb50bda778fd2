/** The server's end of a stream that the computing process decodes. */
import type { LiveEvent } from '../live/events.ts';
import type { LiveStream } from './engine.ts';
import { type EngineReply, errorOf } from './engine-messages.ts';

type StreamMessage =
  | { readonly type: 'samples'; readonly samples: Float32Array }
  | { readonly type: 'commit' | 'end' | 'close' };

export class StreamOfProcess implements LiveStream {
  /** Rejects where it cannot be opened. */
  readonly opened: Promise<void>;
  readonly events: AsyncIterable<LiveEvent>;
  readonly #queue: LiveEvent[] = [];
  /** No samples are taken any more. */
  #ended = false;
  /** No event follows those in the queue. */
  #over = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #opened!: { readonly resolve: () => void; readonly reject: (error: Error) => void };

  /** @param onOver called when no event comes any more */
  constructor(
    private readonly send: (message: StreamMessage) => void,
    private readonly onOver: () => void,
  ) {
    this.opened = new Promise((resolve, reject) => {
      this.#opened = { resolve, reject };
    });
    // It is awaited when the stream was asked for; the process may end before.
    this.opened.catch(() => {});
    this.events = this.#events();
  }

  push(samples: Float32Array): void {
    if (!this.#ended) this.send({ type: 'samples', samples });
  }

  commit(): void {
    if (!this.#ended) this.send({ type: 'commit' });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.send({ type: 'end' });
  }

  close(): void {
    if (this.#over) return;
    this.#ended = true;
    this.send({ type: 'close' });
    this.#end();
  }

  receive(reply: Exclude<EngineReply, { type: 'ready' | 'status' }>): void {
    if (reply.type === 'opened') this.#opened.resolve();
    else if (reply.type === 'event') {
      this.#queue.push(reply.event);
      this.#wake?.();
    } else if (reply.type === 'ended') this.#end();
    else if (reply.type === 'failed') this.fail(errorOf(reply));
  }

  /** It cannot go on. */
  fail(error: Error): void {
    this.#error = error;
    this.#opened.reject(error);
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#over = true;
    this.onOver();
    this.#wake?.();
  }

  async *#events(): AsyncGenerator<LiveEvent, void, undefined> {
    for (;;) {
      const event = this.#queue.shift();
      if (event) yield event;
      else if (this.#error) throw this.#error;
      else if (this.#over) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
