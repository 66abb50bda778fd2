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
