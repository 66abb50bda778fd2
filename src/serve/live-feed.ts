/**
 * Sound on its way from a socket into a stream of the engine. It is passed on at most half a minute ahead of the clock: a
 * client that sends a recording as fast as it can has its socket paused, and nothing piles up.
 */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { LiveEvent } from '../live/events.ts';
import type { Engine, LiveRequest, LiveStream } from './engine.ts';
import { PcmStream } from './pcm-stream.ts';

/** Seconds of sound ahead of the clock. */
const AHEAD = 30;
/** Samples passed on at a time. */
const PIECE = SAMPLE_RATE;
const WAIT_MS = 200;

export interface FeedEvents {
  readonly onEvent: (event: LiveEvent) => void;
  /** All is told, or nothing more can be. Not called after `close`. */
  readonly onEnd: (error?: unknown) => void;
  /** Whether more sound is here than may be passed on. */
  readonly onFull: (full: boolean) => void;
}

export class LiveFeed {
  readonly #pcm: PcmStream;
  readonly #waiting: (Float32Array | 'commit' | 'end')[] = [];
  #stream: LiveStream | undefined;
  #begun: number | undefined;
  #passed = 0;
  #received = 0;
  #timer: NodeJS.Timeout | undefined;
  #isFull = false;
  #isClosed = false;
  #isEnded = false;

  constructor(
    engine: Engine,
    request: LiveRequest,
    rate: number,
    private readonly events: FeedEvents,
  ) {
    this.#pcm = new PcmStream(rate);
    this.#open(engine, request).then(
      () => this.#over(),
      (error: unknown) => this.#over(error),
    );
  }

  async #open(engine: Engine, request: LiveRequest): Promise<void> {
    const stream = await engine.live(request);
    if (this.#isClosed) {
      stream.close();
      return;
    }
    this.#stream = stream;
    this.#pass();
    for await (const event of stream.events) {
      if (this.#isClosed) return;
      this.events.onEvent(event);
    }
  }

  /** Seconds that were received. */
  get seconds(): number {
    return this.#received / SAMPLE_RATE;
  }

  push(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    for (const samples of this.#pcm.push(bytes)) this.#add(samples);
    this.#pass();
  }

  commit(): void {
    if (this.#isEnded) return;
    this.#waiting.push('commit');
    this.#pass();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#add(this.#pcm.finish());
    this.#waiting.push('end');
    this.#isEnded = true;
    this.#pass();
  }

  /** Nothing more is wanted. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    this.#stream?.close();
    this.#setFull(false);
  }

  #add(samples: Float32Array): void {
    this.#received += samples.length;
    for (let at = 0; at < samples.length; at += PIECE) this.#waiting.push(samples.slice(at, at + PIECE));
  }

  #pass(): void {
    if (this.#isClosed) return;
    if (this.#stream) {
      this.#begun ??= performance.now();
      const most = ((performance.now() - this.#begun) / 1000 + AHEAD) * SAMPLE_RATE;
      while (this.#waiting.length > 0 && this.#passed < most) {
        const next = this.#waiting.shift()!;
        if (next === 'commit') this.#stream.commit();
        else if (next === 'end') this.#stream.end();
        else {
          this.#stream.push(next);
          this.#passed += next.length;
        }
      }
      clearTimeout(this.#timer);
      if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#pass(), WAIT_MS);
    }
    // While the engine opens the stream, as much may wait.
    this.#setFull(this.#waiting.length > (this.#stream ? 0 : AHEAD));
  }

  #setFull(full: boolean): void {
    if (full === this.#isFull) return;
    this.#isFull = full;
    this.events.onFull(full);
  }

  #over(error?: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.events.onEnd(error);
  }
}
