/** Requests that are repeated: how often, and how long after a failure, as the server says or with growing waits. */

/** Tries of a request, the first among them. */
export const TRIES = 6;

/** A server that asks for a longer wait is not waited for: a quota of the hour or the day is spent. */
export const LONGEST_WAIT_MS = 300_000;

/**
 * Milliseconds to wait where the server does not say: twice as long after each failure.
 * @param firstMs after the first one, on average
 * @param failed number of failures, at least 1
 */
export function backoffMs(firstMs: number, failed: number): number {
  // Jitter: requests that failed together do not come together again.
  return firstMs * 2 ** (failed - 1) * (0.75 + Math.random() / 2);
}

const MINUTE_MS = 60_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: MINUTE_MS, h: 60 * MINUTE_MS };

/** Milliseconds of `1s`, `6m0s`, `12ms`, `1h2m3.5s`, or of a bare number of seconds; undefined for another text. */
export function resetMs(text: string | null): number | undefined {
  if (text === null || text.trim() === '') return undefined;
  if (/^\d+(?:\.\d+)?$/.test(text.trim())) return Number(text) * 1000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text.trim()) return undefined;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit!]!, 0);
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
