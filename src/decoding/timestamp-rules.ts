/**
 * Timestamp rules, given the tokens so far (Radford et al. 2022, and OpenAI's decoding.py): timestamps come in pairs
 * around each segment, never decrease, and the text begins with one.
 */
import { float32, type HostTensor } from '../backend/runtime.ts';
import { MASKED } from '../graph/ops.ts';

/** Seconds between one timestamp token and the next. */
export const TIMESTAMP_STEP = 0.02;

export interface TimestampTokens {
  /** <|0.00|> */
  readonly first: number;
  /** Number of timestamps: 1501. */
  readonly count: number;
  /** Largest first timestamp, in steps of 0.02 s from the window's beginning; undefined: any. */
  readonly latestBegin: number | undefined;
}

export interface TimestampBiases {
  /** [rows, 1]: words, and other tokens but timestamps. */
  readonly wordBias: HostTensor;
  readonly otherBias: HostTensor;
  /** [rows, timestamps] */
  readonly timestampBias: HostTensor;
}

/** @param texts the tokens so far, for each row; without the prompt */
export function timestampBiases(
  texts: readonly (readonly number[])[],
  { first, count, latestBegin }: TimestampTokens,
): TimestampBiases {
  const rows = texts.length;
  const wordBias = new Float32Array(rows);
  const otherBias = new Float32Array(rows);
  const timestampBias = new Float32Array(rows * count);
  texts.forEach((tokens, row) => {
    const isTimestamp = (token: number | undefined): boolean =>
      token !== undefined && token >= first && token < first + count;
    const stamps = timestampBias.subarray(row * count, (row + 1) * count);
    if (tokens.length === 0) {
      wordBias[row] = MASKED;
      otherBias[row] = MASKED;
      if (latestBegin !== undefined) stamps.fill(MASKED, latestBegin + 1);
      return;
    }
    const wasTimestamp = isTimestamp(tokens.at(-1));
    const closesPair = tokens.length < 2 || isTimestamp(tokens.at(-2));
    if (wasTimestamp && closesPair) stamps.fill(MASKED);
    else if (wasTimestamp) wordBias[row] = MASKED;
    const last = tokens.findLast(isTimestamp);
    // The end of one segment may be the beginning of the next; a segment is not empty.
    if (last !== undefined) stamps.fill(MASKED, 0, last - first + Number(!(wasTimestamp && !closesPair)));
  });
  return {
    wordBias: float32(wordBias, [rows, 1]),
    otherBias: float32(otherBias, [rows, 1]),
    timestampBias: float32(timestampBias, [rows, count]),
  };
}
