/** Streams that are decoded live, in turns: one step of each that has something to decode, and again. */
import type { LiveEvent } from '../live/events.ts';
import type { LiveSession } from '../live/session.ts';

export interface OpenStream {
  readonly session: LiveSession;
  readonly onEvent: (event: LiveEvent) => void;
  /** Called once, when the stream has ended, or with why it cannot go on. */
  readonly onEnd: (error?: unknown) => void;
}

export class Streams {
  readonly #open = new Set<OpenStream>();
  #running = false;
  #turn: Promise<void> | undefined;

  /** The steps that are due now, one of each stream; undefined where none is. */
  get turn(): Promise<void> | undefined {
    return this.#turn;
  }

  add(stream: OpenStream): void {
    this.#open.add(stream);
  }

  /** Nothing more of it is decoded. */
  remove(stream: OpenStream): void {
    if (this.#open.delete(stream)) stream.onEnd();
  }

  /** Call it when a session has something to do. */
  wake(): void {
    if (!this.#running) void this.#turns();
  }

  async #turns(): Promise<void> {
    this.#running = true;
    for (;;) {
      const due = [...this.#open].filter(({ session }) => session.hasWork);
      if (due.length === 0) break;
      this.#turn = this.#steps(due);
      await this.#turn;
    }
    this.#turn = undefined;
    this.#running = false;
  }

  async #steps(due: readonly OpenStream[]): Promise<void> {
    for (const stream of due) {
      if (!this.#open.has(stream)) continue;
      try {
        for (const event of await stream.session.step()) {
          if (this.#open.has(stream)) stream.onEvent(event);
        }
        if (stream.session.done) this.remove(stream);
      } catch (error) {
        if (this.#open.delete(stream)) stream.onEnd(error);
      }
    }
  }
}
