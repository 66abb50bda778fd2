/** Limits of a minute: requests and tokens are spread evenly, so that no minute has more. */
import { setTimeout as wait } from 'node:timers/promises';

export interface PaceOptions {
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
}

const MINUTE_MS = 60_000;

export class Pace {
  /** When the next request may go, by `performance.now()`. */
  #next = 0;
  /** Until when none may go. */
  #paused = 0;

  constructor(private readonly limits: PaceOptions = {}) {}

  /** Waits until a request of so many tokens may go. */
  async turn(tokens: number, signal?: AbortSignal): Promise<void> {
    const at = Math.max(this.#next, performance.now());
    this.#next = at + this.#cost(1, tokens);
    // A pause that begins meanwhile holds for those that wait, too.
    for (let left = at - performance.now(); left > 0; left = Math.max(at, this.#paused) - performance.now()) {
      await wait(left, undefined, signal && { signal });
    }
  }

  /** Lets nothing go for so long, as the service asks. */
  pause(ms: number): void {
    this.#paused = Math.max(this.#paused, performance.now() + ms);
    this.#next = Math.max(this.#next, this.#paused);
  }

  /** Corrects an estimate: so many tokens more were used, or fewer where it is negative. */
  correct(tokens: number): void {
    this.#next += this.#cost(0, tokens);
  }

  #cost(requests: number, tokens: number): number {
    const { requestsPerMinute, tokensPerMinute } = this.limits;
    const byRequests = requestsPerMinute ? (requests * MINUTE_MS) / requestsPerMinute : 0;
    const byTokens = tokensPerMinute ? (tokens * MINUTE_MS) / tokensPerMinute : 0;
    return requests === 0 ? byTokens : Math.max(byRequests, byTokens);
  }
}

/** Milliseconds of `1s`, `6m0s`, `12ms`, `1h2m3.5s`, or of a bare number of seconds; undefined for another text. */
export function resetMs(text: string | null): number | undefined {
  if (text === null || text.trim() === '') return undefined;
  if (/^\d+(?:\.\d+)?$/.test(text.trim())) return Number(text) * 1000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text.trim()) return undefined;
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: MINUTE_MS, h: 60 * MINUTE_MS };
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit!]!, 0);
}

/** Milliseconds that `retry-after` (RFC 9110: seconds or a date) or OpenAI's `retry-after-ms` ask for. */
export function retryAfterMs(headers: Headers, now = Date.now()): number | undefined {
  const ms = Number(headers.get('retry-after-ms') ?? Number.NaN);
  if (ms >= 0) return ms;
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const bySeconds = resetMs(text);
  if (bySeconds !== undefined) return bySeconds;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
