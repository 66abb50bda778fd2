/** The user's own endpoint: one POST of JSON and its answer, within limits, repeated where it is worth it. */
import { setTimeout as wait } from 'node:timers/promises';
import { UserError } from '../errors.ts';
import { printable } from '../report/escape.ts';
import { backoffMs, LONGEST_WAIT_MS, resetMs, retryAfterMs, TRIES } from '../retry.ts';
import { Pace, type PaceOptions } from './pace.ts';

/** Bytes of an answer, decompressed. A batch of sentences has some ten thousand. */
const MAX_ANSWER_BYTES = 8_000_000;
/** Before the second attempt; each further one waits twice as long. */
const FIRST_WAIT_MS = 1000;

export interface EndpointOptions extends PaceOptions {
  readonly url: string;
  /** Headers with the key, which messages never show. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The key, or '': taken out of all that an endpoint says. */
  readonly key?: string;
  /** What a user does about a refused key, for the message. */
  readonly keyHint?: string;
  readonly timeoutMs: number;
  /** Default 1000 */
  readonly firstWaitMs?: number | undefined;
}

/** A request that failed for good; others may not. */
export class RequestFailed extends Error {
  override name = 'RequestFailed';
  /** The endpoint understood it, and refused what it asks for (400, 413, 422). */
  readonly refused: boolean;
  /** It was sent, and no whole answer came. */
  readonly unanswered: boolean;

  constructor(message: string, { refused = false, unanswered = false } = {}) {
    super(message);
    this.refused = refused;
    this.unanswered = unanswered;
  }
}

/** Codes of a connection that the other side closed. */
const CLOSED = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'];

/** A failure that may pass. */
class Passing extends Error {
  constructor(
    message: string,
    /** Milliseconds to wait, as the endpoint says. */
    readonly waitMs?: number,
    /** The endpoint is there and is what it should be, only busy. */
    readonly busy = false,
    /** It was sent, and no whole answer came. */
    readonly unanswered = false,
    /** The connection was closed before an answer began: one that was kept open may have been closed meanwhile. */
    readonly closed = false,
  ) {
    super(message);
  }
}

export class Endpoint {
  /** Without a key that may stand in its query, for messages and as a part of what answers are kept by. */
  readonly name: string;
  readonly #url: URL;
  readonly #pace: Pace;
  /** Whether anything was ever answered: before, what fails is the URL. */
  #answered = false;

  constructor(private readonly options: EndpointOptions) {
    this.#url = parsedUrl(options.url);
    this.name = `${this.#url.origin}${this.#url.pathname.replace(/\/+$/, '')}`;
    this.#pace = new Pace(options);
  }

  /** Whether it is on this machine. */
  get isLocal(): boolean {
    return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(this.#url.hostname);
  }

  get host(): string {
    return this.#url.hostname;
  }

  /**
   * The JSON of an answer.
   * @param path below the URL, which may also end with it
   * @param body undefined: GET
   * @param tokens estimate for the limits of a minute
   * @param retried called before a request is repeated that got no whole answer, and so may be charged; false ends the tries
   */
  async ask(
    path: string,
    body: unknown,
    {
      tokens = 0,
      retried,
      signal,
    }: {
      tokens?: number;
      retried?: (() => Promise<boolean>) | undefined;
      signal?: AbortSignal | undefined;
    } = {},
  ): Promise<unknown> {
    const url = new URL(this.#url);
    const base = url.pathname.replace(/\/+$/, '');
    url.pathname = base.endsWith(path) ? base : `${base}${path}`;
    for (let attempt = 1; ; attempt++) {
      await this.#pace.turn(tokens, signal);
      signal?.throwIfAborted();
      try {
        const answer = await this.#once(url, body, signal);
        this.#answered = true;
        return answer;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Passing)) throw error;
        const again = error.busy || (error.closed && attempt === 1);
        if (!this.#answered && !again) throw new UserError(error.message);
        if (attempt === TRIES || (error.waitMs ?? 0) > LONGEST_WAIT_MS)
          throw new RequestFailed(error.message, error);
        if (error.unanswered && (await retried?.()) === false) throw new RequestFailed(error.message, error);
        const ms = error.waitMs ?? backoffMs(this.options.firstWaitMs ?? FIRST_WAIT_MS, attempt);
        if (error.busy) this.#pace.pause(ms);
        else await wait(ms, undefined, signal && { signal });
      }
    }
  }

  /** Corrects the estimate of tokens of an answered request. */
  correct(tokens: number): void {
    this.#pace.correct(tokens);
  }

  async #once(url: URL, body: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    const timeout = AbortSignal.timeout(this.options.timeoutMs);
    const where = `${url.origin}${url.pathname}`;
    const failed = (what: string, closed = false): Passing =>
      new Passing(`${where}: ${what}`, undefined, false, true, closed);
    let began = false;
    try {
      const response = await fetch(url, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...this.options.headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        redirect: 'manual',
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      began = true;
      if (response.status >= 300 && response.status < 400) {
        await response.body?.cancel();
        const to = response.headers.get('location') ?? 'nowhere';
        throw new UserError(
          `${where}: found a redirect (${response.status}) to ${this.#shown(to)}; expected an answer: nothing was sent ` +
            'there; where it is right, name it as --url',
        );
      }
      this.#heedLimits(response.headers);
      const bytes = await this.#body(where, response);
      return this.#parsed(where, response, bytes);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof UserError || error instanceof RequestFailed || error instanceof Passing)
        throw error;
      if (timeout.aborted)
        throw failed(`found no whole answer in ${this.options.timeoutMs / 1000} s (--timeout)`);
      const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
      const reason = cause?.code ?? cause?.message ?? message;
      throw failed(
        `found no whole answer (${this.#shown(reason)}); expected an endpoint that answers`,
        !began && CLOSED.includes(reason),
      );
    }
  }

  /** Where the endpoint says that nothing is left, waits before it refuses. */
  #heedLimits(headers: Headers): void {
    for (const kind of ['requests', 'tokens']) {
      if (headers.get(`x-ratelimit-remaining-${kind}`)?.trim() !== '0') continue;
      const ms = resetMs(headers.get(`x-ratelimit-reset-${kind}`));
      if (ms !== undefined) this.#pace.pause(Math.min(ms, LONGEST_WAIT_MS));
    }
  }

  async #body(where: string, { headers, body }: Response): Promise<Buffer> {
    const tooLong = `${where}: found an answer of more than ${MAX_ANSWER_BYTES / 1e6} MB; expected some sentences`;
    if (Number(headers.get('content-length') ?? 0) > MAX_ANSWER_BYTES) {
      await body?.cancel();
      throw new Passing(tooLong);
    }
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
      size += piece.length;
      // The loop's end cancels the body.
      if (size > MAX_ANSWER_BYTES) throw new Passing(tooLong);
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }

  #parsed(where: string, response: Response, bytes: Buffer): unknown {
    const { status, headers } = response;
    const kind = headers.get('content-type')?.split(';')[0] || 'no content type';
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      throw new Passing(`${where}: found bytes that are not UTF-8 (${kind}); expected JSON`);
    }
    let answer: unknown;
    let isJson = true;
    try {
      answer = JSON.parse(text);
    } catch {
      isJson = false;
    }
    const said = this.#shown(isJson ? (errorText(answer) ?? text) : text);
    if (!response.ok) throw this.#failure(where, status, said, headers, errorCode(answer));
    if (!isJson) {
      const found = text === '' ? 'an empty answer' : `${this.#shown(kind)} ${JSON.stringify(said)}`;
      throw new Passing(`${where}: found ${found}; expected JSON`);
    }
    if (!isObject(answer)) throw new Passing(`${where}: found ${said}; expected a JSON object`);
    // Some gateways answer 200 whatever is behind them.
    if (errorText(answer) !== undefined) throw new Passing(`${where}: found an error in the answer: ${said}`);
    return answer;
  }

  #failure(where: string, status: number, said: string, headers: Headers, code: string): Error {
    const line = `${where}: found HTTP ${status}${said === '' ? '' : `: ${said}`}`;
    // 456: DeepL's quota. OpenAI answers 429 also where no money is left.
    if (status === 456 || code === 'insufficient_quota')
      return new UserError(`${line}; expected a quota that is left`);
    if (status === 429) {
      const resets = ['requests', 'tokens'].map(
        (one) => resetMs(headers.get(`x-ratelimit-reset-${one}`)) ?? 0,
      );
      // Both limits may be the cause; without `retry-after` the longer wait is the safe one.
      const waitMs = retryAfterMs(headers) ?? (Math.max(resets[0]!, resets[1]!) || undefined);
      return new Passing(line, waitMs, true);
    }
    if (status === 503 || status === 529) return new Passing(line, retryAfterMs(headers), true);
    if (status >= 500 || status === 408 || status === 409 || status === 425)
      return new Passing(line, retryAfterMs(headers));
    if (status === 401 || status === 403) {
      const hint = this.options.keyHint ? `; ${this.options.keyHint}` : '';
      return new UserError(`${line}; expected a key that it accepts${hint}`);
    }
    if (status === 400 || status === 413 || status === 422) return new RequestFailed(line, { refused: true });
    return new UserError(`${line}; expected an endpoint and a model that are there`);
  }

  /** What an endpoint said, in a message and without the key, which some repeat. */
  #shown(text: string): string {
    const { key = '' } = this.options;
    // Before the text is cut, which would leave a part of the key.
    return printable(key === '' ? text : text.replaceAll(key, '[the key]'));
  }
}

function parsedUrl(given: string): URL {
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw new UserError(
      `--url: found ${JSON.stringify(given)}; expected a URL such as http://localhost:11434/v1`,
    );
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new UserError(`--url: found ${url.protocol}//; expected http:// or https://`);
  if (url.username !== '' || url.password !== '')
    throw new UserError(
      '--url: found a user name or password in it; expected a key in the environment (--key-env)',
    );
  return url;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** The message of `{"error": "…"}` (LibreTranslate, Ollama), `{"error": {"message": "…"}}` (OpenAI) and `{"message": "…"}` with a code (DeepL, vLLM). */
function errorText(answer: unknown): string | undefined {
  if (!isObject(answer)) return undefined;
  const { error, message, object } = answer;
  if (typeof error === 'string' && error !== '') return error;
  if (isObject(error)) return typeof error.message === 'string' ? error.message : JSON.stringify(error);
  // vLLM: {"object": "error", "message": …}.
  if (
    typeof message === 'string' &&
    (object === 'error' || !('choices' in answer || 'translations' in answer))
  )
    return message;
  return undefined;
}

const errorCode = (answer: unknown): string =>
  isObject(answer) && isObject(answer.error) ? String(answer.error.code ?? answer.error.type ?? '') : '';
