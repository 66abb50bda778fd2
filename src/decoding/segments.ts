/** Splits a window's tokens into segments with times, and finds where the next window begins (OpenAI's transcribe.py). */
import { TIMESTAMPS } from '../checkpoint/tokenizer-files.ts';
import { TIMESTAMP_STEP } from './timestamp-rules.ts';

export interface TokenSegment {
  /** Seconds from the window's beginning. */
  readonly start: number;
  readonly end: number;
  /** Timestamps among them. */
  readonly tokens: readonly number[];
  /** Index of the first among the window's tokens. */
  readonly first: number;
}

export interface WindowSegments {
  readonly segments: readonly TokenSegment[];
  /** Seconds after which the next window begins: speech up to there is complete. */
  readonly advance: number;
}

/**
 * @param tokens decoded tokens with timestamps
 * @param firstTimestamp id of <|0.00|>
 * @param duration of the window, seconds
 */
export function segmentsOf(
  tokens: readonly number[],
  firstTimestamp: number,
  duration: number,
): WindowSegments {
  const isTimestamp = (token: number | undefined): boolean =>
    token !== undefined && token >= firstTimestamp && token < firstTimestamp + TIMESTAMPS;
  const seconds = (token: number): number => TIMESTAMP_STEP * (token - firstTimestamp);
  // A pair of timestamps ends one segment and begins the next.
  const cuts = [...tokens.keys()].filter(
    (i) => i > 0 && isTimestamp(tokens[i]) && isTimestamp(tokens[i - 1]),
  );
  // A single timestamp at the end: the window has no speech after it.
  const complete = isTimestamp(tokens.at(-1)) && !isTimestamp(tokens.at(-2));
  if (cuts.length > 0) {
    if (complete) cuts.push(tokens.length);
    const segments = cuts.map((end, i): TokenSegment => {
      const first = cuts[i - 1] ?? 0;
      const part = tokens.slice(first, end);
      return { start: seconds(part[0]!), end: seconds(part.at(-1)!), tokens: part, first };
    });
    return { segments, advance: complete ? duration : seconds(tokens[cuts.at(-1)! - 1]!) };
  }
  const last = tokens.findLast(isTimestamp);
  const end = last === undefined || last === firstTimestamp ? duration : seconds(last);
  return { segments: [{ start: 0, end, tokens, first: 0 }], advance: duration };
}
