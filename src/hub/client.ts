/**
 * Requests to the Hugging Face hub: redirects that take the token nowhere else, repeated requests, time-outs where nothing
 * comes, and refusals in words.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { UserError } from '../errors.ts';
import { printable } from '../report/escape.ts';
import { packageVersion } from '../report/package-version.ts';
import { backoffMs, LONGEST_WAIT_MS, retryAfterMs, TRIES } from '../retry.ts';
import type { Repo } from './names.ts';
import type { HubSettings } from './settings.ts';

/** A refusal of the hub, or no answer from it. */
export class HubError extends UserError {
  constructor(
    message: string,
    /** Of HTTP; undefined where there was no answer. */
    readonly status?: number,
    /** "EntryNotFound", "RepoNotFound", "RevisionNotFound", "GatedRepo". */
    readonly code?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whether the network, and not the hub, said no. */
  get unreachable(): boolean {
    return this.status === undefined;
  }
}

export interface Asked {
  /** What the request is about, the beginning of messages: "openai/whisper-small". */
  readonly what: string;
  /** The repository, where it is of one. */
  readonly repo?: Repo;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
  /** Statuses that are no refusals, beside 2xx. */
  readonly accepts?: readonly number[];
  readonly tries?: number;
}

export interface Answer {
  readonly status: number;
  /** Of the last hop. */
  readonly headers: Headers;
  /** Of the hub's own hops, which know the file; those of the network of caches behind it do not. */
  readonly hubHeaders: Headers;
  /** The bytes; a wait longer than the time-out is a `Broken`. */
  body(): AsyncGenerator<Uint8Array>;
  /** Ends it without reading the rest. */
  close(): void;
}

/** A connection that broke or stalled: the request may be repeated. */
export class Broken extends Error {}

/** What is written takes the hub longer than what is read. */
export const WRITE_PATIENCE = 6;
const REPEATED_STATUSES = [429, 500, 502, 503, 504];
const MAX_HOPS = 10;
/** JSON of a page of a tree: 1000 files. */
const MAX_JSON_BYTES = 64_000_000;

export interface ClientOptions {
  readonly onNote?: ((note: string) => void) | undefined;
}

export class HubClient {
  constructor(
    readonly settings: HubSettings,
    private readonly options: ClientOptions = {},
  ) {}

  /** URL of the API for a repository, such as …/api/models/openai/whisper-small. */
  api({ type, id }: Repo): string {
    return `${this.settings.endpoint}/api/${type}s/${id}`;
  }

  /** URL of a repository's page, and the beginning of the addresses of its files. */
  page({ type, id }: Repo): string {
    return `${this.settings.endpoint}/${type === 'dataset' ? 'datasets/' : ''}${id}`;
  }

  /** Whether a URL is of the endpoint itself: only there goes the token. */
  isOwn(url: URL): boolean {
    return url.origin === new URL(this.settings.endpoint).origin;
  }

  async json(url: string, asked: Asked): Promise<{ value: unknown; headers: Headers }> {
    return this.repeated(asked, async () => {
      const answer = await this.#open(new URL(url), asked);
      const text = await textOf(answer, MAX_JSON_BYTES, asked.what);
      try {
        return { value: JSON.parse(text), headers: answer.headers };
      } catch {
        throw new HubError(`${asked.what}: ${url}: found an answer that is not JSON; expected a hub`, 200);
      }
    });
  }

  /** Opens a URL of the endpoint, or of one that the hub named, whose bytes the caller reads. No request is repeated. */
  open(url: string, asked: Asked): Promise<Answer> {
    return this.#open(new URL(url), asked);
  }

  /** Repeats work that breaks, or that the hub puts off, with growing pauses. */
  async repeated<T>(asked: Asked, work: () => Promise<T>): Promise<T> {
    for (let failed = 1; ; failed++) {
      try {
        return await work();
      } catch (error) {
        await this.pauseAfter(error, failed, asked);
      }
    }
  }

  /**
   * Waits before the next try.
   * @param failed number of tries that failed without success between
   * @throws the error where it is none that passes, or after the last try
   */
  async pauseAfter(error: unknown, failed: number, { what, signal, tries = TRIES }: Asked): Promise<void> {
    signal?.throwIfAborted();
    if (!(error instanceof Broken || error instanceof Delayed)) throw error;
    const asked = error instanceof Delayed ? error.seconds : undefined;
    const ms = asked === undefined ? backoffMs(this.settings.pause, failed) : asked * 1000;
    // A host that has no address, or no server, will not have one in a second, either.
    const last = error instanceof Broken && isAbsent(error) ? Math.min(2, tries) : tries;
    if (failed >= last || ms > LONGEST_WAIT_MS) {
      if (error instanceof Delayed) throw error.refusal;
      throw new HubError(`${what}: ${error.message}`, undefined, undefined, { cause: error.cause });
    }
    if (failed > 1 || ms >= 2000)
      this.options.onNote?.(`${what}: ${error.message}; next try in ${Math.ceil(ms / 1000)} s`);
    await wait(ms, undefined, signal && { signal });
  }

  async #open(first: URL, asked: Asked): Promise<Answer> {
    const { method = 'GET', accepts = [], signal } = asked;
    const { token, timeout } = this.settings;
    const hubHeaders = new Headers();
    let url = first;
    for (let hop = 0; ; hop++) {
      const stall = new Stall(method === 'POST' ? WRITE_PATIENCE * timeout : timeout, signal);
      const own = this.isOwn(url);
      let response: Response;
      try {
        response = await fetch(url, {
          method,
          redirect: 'manual',
          signal: stall.signal,
          headers: {
            'user-agent': `whisper-transfer/${packageVersion}`,
            'accept-encoding': 'identity',
            ...asked.headers,
            ...(own && token && { authorization: `Bearer ${token}` }),
          },
          ...(asked.body !== undefined && { body: asked.body }),
        });
      } catch (error) {
        stall.end();
        throw stall.broken(error, url);
      }
      if (own) for (const [name, value] of response.headers) hubHeaders.set(name, value);
      const { status } = response;
      const location = response.headers.get('location');
      if (location !== null && [301, 302, 303, 307, 308].includes(status)) {
        stall.end();
        await response.body?.cancel().catch(() => {});
        url = this.#next(url, location, hop, asked);
        continue;
      }
      const answer: Answer = {
        status,
        headers: response.headers,
        hubHeaders,
        body: () => bytesOf(response, stall, url),
        close: () => stall.end('abort'),
      };
      if (response.ok || accepts.includes(status)) return answer;
      const refusal = refusalOf(
        asked,
        asked.repo && this.page(asked.repo),
        answer,
        await textOf(answer, 100_000, asked.what).catch(() => ''),
        this.settings,
      );
      if (REPEATED_STATUSES.includes(status))
        throw new Delayed(refusal, status === 429 || status === 503 ? delayOf(response.headers) : undefined);
      throw refusal;
    }
  }

  #next(url: URL, location: string, hop: number, { what, method = 'GET' }: Asked): URL {
    const shown = printable(location);
    if (!URL.canParse(location, url.href))
      throw new HubError(`${what}: found a redirect to "${shown}"; expected a URL`, 0);
    const next = new URL(location, url);
    if (!/^https?:$/.test(next.protocol))
      throw new HubError(`${what}: found a redirect to ${printable(next.href)}; expected https`, 0);
    if (hop + 1 >= MAX_HOPS)
      throw new HubError(
        `${what}: found ${MAX_HOPS} redirects in a row, the last to ${printable(next.href)}: a circle`,
        0,
      );
    if (method !== 'GET' && !this.isOwn(next))
      throw new HubError(
        `${what}: found a redirect of what is sent to ${next.host}; expected one within ${url.host}`,
        0,
      );
    return next;
  }
}

/** A refusal for a time. */
class Delayed extends Error {
  constructor(
    readonly refusal: HubError,
    readonly seconds: number | undefined,
  ) {
    super(refusal.status === 429 ? 'the hub limits requests (429)' : `the hub answers ${refusal.status}`);
  }
}

/** Aborts where nothing comes for a time. */
export class Stall {
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #stalled = false;
  readonly #abort = (): void => this.#controller.abort(this.outer!.reason);

  constructor(
    private readonly timeout: number,
    private readonly outer: AbortSignal | undefined,
  ) {
    outer?.throwIfAborted();
    outer?.addEventListener('abort', this.#abort, { once: true });
    this.moved();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came: the time begins anew. */
  moved(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#stalled = true;
      this.#controller.abort();
    }, this.timeout);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }

  end(how?: 'abort'): void {
    clearTimeout(this.#timer);
    this.outer?.removeEventListener('abort', this.#abort);
    if (how === 'abort') this.#controller.abort();
  }

  /** The reason of the caller's abort, or what broke. */
  broken(error: unknown, url: URL): unknown {
    if (this.outer?.aborted) return this.outer.reason;
    if (this.#stalled) return new Broken(`${url.host} sent nothing for ${this.timeout / 1000} s`);
    const cause = (error as Error).cause ?? error;
    const code = (cause as NodeJS.ErrnoException).code;
    const why = (code && FAILURES[code]) ?? printable((cause as Error).message || String(cause));
    return new Broken(`${url.host} cannot be reached: ${why}${code ? ` (${code})` : ''}`, { cause });
  }
}

const FAILURES: Readonly<Record<string, string>> = {
  ENOTFOUND: 'it has no address; is there a network?',
  EAI_AGAIN: 'its address cannot be looked up; is there a network?',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'it does not answer',
};

const isAbsent = ({ cause }: Broken): boolean =>
  ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED'].includes(
    (cause as NodeJS.ErrnoException | undefined)?.code ?? '',
  );

async function* bytesOf(response: Response, stall: Stall, url: URL): AsyncGenerator<Uint8Array> {
  try {
    stall.moved();
    if (!response.body) return;
    for await (const chunk of response.body) {
      // What the caller does meanwhile is not the server's delay.
      stall.pause();
      yield chunk;
      stall.moved();
    }
  } catch (error) {
    throw stall.broken(error, url);
  } finally {
    stall.end();
  }
}

async function textOf(answer: Answer, limit: number, what: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer.body()) {
    size += part.length;
    if (size > limit) {
      answer.close();
      throw new HubError(
        `${what}: found an answer of more than ${limit} bytes; expected a list of the hub`,
        answer.status,
      );
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Seconds to wait, of Retry-After or RateLimit (draft-ietf-httpapi-ratelimit-headers: `"api";r=0;t=55`). */
export function delayOf(headers: Headers, now?: number): number | undefined {
  const ms = retryAfterMs(headers, now);
  if (ms !== undefined) return ms / 1000;
  const reset = /(?:^|;)\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  return reset === undefined ? undefined : Number(reset);
}

/** What the hub's refusal means, and what helps. */
function refusalOf(
  { what, repo }: Asked,
  page: string | undefined,
  { status, headers }: Answer,
  body: string,
  { token }: HubSettings,
): HubError {
  const code = headers.get('x-error-code') ?? undefined;
  const said = printable(headers.get('x-error-message') ?? messageIn(body));
  const line = ((): string => {
    if (code === 'GatedRepo')
      return (
        `the hub gives it only to those who agreed to its terms: agree at ${page}` +
        (token ? ', with the account of your token' : ', and give a token of that account (HF_TOKEN)')
      );
    if (code === 'RevisionNotFound')
      return 'the hub has no such revision; expected a branch, a tag or a commit of it';
    if (code === 'EntryNotFound') return `the hub has no such file${said ? `: ${said}` : ''}`;
    if (code === 'RepoNotFound' || (status === 404 && code === undefined && said === ''))
      return `the hub has no such repository, or it is private${token ? ' and your token does not open it' : '; no token was sent: set HF_TOKEN'}`;
    if (status === 401)
      return token
        ? `the hub does not take your token${said ? `: ${said}` : ''}`
        : 'the hub has no such repository, or it is private; no token was sent: set HF_TOKEN';
    if (status === 403) return `the hub forbids it${said ? `: ${said}` : ''}`;
    if (status === 429) return 'the hub limits requests (429): try again later, or with a token (HF_TOKEN)';
    return `the hub answers ${status}${said ? `: ${said}` : ''}`;
  })();
  const ofRepo = repo && (code === 'GatedRepo' || code === 'RepoNotFound');
  return new HubError(`${ofRepo ? repo.id : what}: ${line}`, status, code);
}

function messageIn(body: string): string {
  try {
    const { error, message } = JSON.parse(body) as { error?: unknown; message?: unknown };
    return String(error ?? message ?? '');
  } catch {
    return '';
  }
}
