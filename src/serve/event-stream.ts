/** Server-sent events as OpenAI's clients read them: a line of JSON each, comments in between so that no proxy gives up. */

export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  // nginx would hold the events back.
  'x-accel-buffering': 'no',
};

export class EventStream {
  readonly #encoder = new TextEncoder();
  readonly #stream: ReadableStream<Uint8Array>;
  readonly #heartbeat: NodeJS.Timeout;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #isOpen = true;

  /** @param onCancel called where the client reads no more */
  constructor(heartbeatMs: number, onCancel: () => void) {
    this.#stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => {
        this.#close();
        onCancel();
      },
    });
    this.#heartbeat = setInterval(() => this.#write(': ping\n\n'), heartbeatMs).unref();
  }

  send(event: object | '[DONE]'): void {
    this.#write(`data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`);
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#close();
    this.#controller.close();
  }

  get body(): ReadableStream<Uint8Array> {
    return this.#stream;
  }

  #write(text: string): void {
    if (this.#isOpen) this.#controller.enqueue(this.#encoder.encode(text));
  }

  #close(): void {
    this.#isOpen = false;
    clearInterval(this.#heartbeat);
  }
}
