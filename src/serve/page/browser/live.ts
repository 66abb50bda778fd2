/** A stream of sound to the server's `/live`, which answers with text as it comes; a connection that breaks is made anew. */
import type { LiveEvent } from '../../../live/events.ts';
import { currentKey, Failure, GONE, servedModels } from './api.ts';

export interface LiveOptions {
  readonly model: string;
  readonly task: 'transcribe' | 'translate';
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** Samples a second of what is sent. */
  readonly rate: number;
}

export interface LiveListener {
  /**
   * @param connection 0, 1, … : each counts its utterances from 1
   * @param since seconds of the recording at which that connection began: its times count from there
   */
  event(event: LiveEvent, connection: number, since: number): void;
  /** The connection broke; it is tried again in `seconds`. */
  waiting(failure: Failure, seconds: number): void;
  connected(): void;
  /** Nothing more comes. @param failure where it did not end as it was asked to */
  ended(failure?: Failure): void;
}

/** Sound that is kept while there is no connection, in seconds: more would never be caught up with. */
const MAX_KEPT = 30;
const MAX_PAUSE = 8;
/** How long the last text is waited for after the end of the sound, in seconds. */
const MAX_FINISH = 60;

export class LiveStream {
  readonly #options: LiveOptions;
  readonly #listener: LiveListener;
  #socket: WebSocket | undefined;
  #connection = -1;
  /** Samples handed over so far, and those of them that were before the connection. */
  #samples = 0;
  #since = 0;
  /** Not sent yet. */
  #kept: Int16Array<ArrayBuffer>[] = [];
  #keptSamples = 0;
  #pause = 1;
  #ending = false;
  #over = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LiveOptions, listener: LiveListener) {
    this.#options = options;
    this.#listener = listener;
    this.#connect();
  }

  push(samples: Int16Array<ArrayBuffer>): void {
    this.#samples += samples.length;
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(samples);
      return;
    }
    this.#kept.push(samples);
    this.#keptSamples += samples.length;
    while (this.#keptSamples > MAX_KEPT * this.#options.rate) this.#keptSamples -= this.#kept.shift()!.length;
  }

  /** No more sound comes; the texts of what was sent still do. */
  end(): void {
    this.#ending = true;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#sendEnd();
    // While it waits to try again there is nothing to end.
    else if (this.#socket === undefined) this.close();
  }

  /** Nothing more is wanted. */
  close(failure?: Failure): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#listener.ended(failure);
  }

  #sendEnd(): void {
    this.#socket!.send(JSON.stringify({ type: 'end' }));
    this.#timer = setTimeout(() => this.close(), MAX_FINISH * 1000);
  }

  #connect(): void {
    const { model, task, from, to, rate } = this.#options;
    const address = new URL('/live', location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    const query = { model, task, rate: String(rate), ...(from && { from }), ...(to && { to }) };
    address.search = new URLSearchParams(query).toString();
    const key = currentKey();
    // A browser can give a WebSocket no header: the key goes as OpenAI's clients send it.
    const socket = new WebSocket(address, key ? ['realtime', `openai-insecure-api-key.${key}`] : []);
    this.#socket = socket;
    let failure: Failure | undefined;
    socket.onopen = () => {
      this.#connection++;
      this.#since = (this.#samples - this.#keptSamples) / rate;
      this.#listener.connected();
      for (const samples of this.#kept) socket.send(samples);
      this.#kept = [];
      this.#keptSamples = 0;
      if (this.#ending) this.#sendEnd();
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as
        | LiveEvent
        | { readonly type: 'error'; readonly message: string };
      this.#pause = 1;
      if (message.type === 'error') failure = new Failure(message.message, 'refused');
      else this.#listener.event(message, this.#connection, this.#since);
    };
    socket.onclose = ({ code, reason }) => {
      if (code === 1013)
        failure = new Failure(`The server has no room for another stream: ${reason}.`, 'busy');
      this.#socket = undefined;
      if (this.#over) return;
      const opened = failure !== undefined || code !== 1006;
      if (this.#ending && opened) this.close(failure);
      else void this.#again(failure);
    };
  }

  /** Asks over HTTP why there is no connection, as a browser does not say it, and tries again where that may help. */
  async #again(failure: Failure | undefined): Promise<void> {
    let why = failure ?? new Failure('The connection to the server broke.', 'busy');
    try {
      await servedModels();
    } catch (error) {
      why = error as Failure;
    }
    if (this.#over) return;
    if (why.kind === 'refused') {
      this.close(why);
      return;
    }
    const seconds = why.retryAfter ?? this.#pause;
    this.#pause = Math.min(MAX_PAUSE, 2 * this.#pause);
    this.#listener.waiting(why.kind === 'unreachable' ? new Failure(GONE, 'unreachable') : why, seconds);
    this.#timer = setTimeout(() => this.#connect(), seconds * 1000);
  }
}
