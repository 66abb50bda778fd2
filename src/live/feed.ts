/** Feeds a recording to a live session as if it were being spoken. */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { LiveEvent } from './events.ts';
import type { LiveSession } from './session.ts';

export interface LiveClock {
  /** Seconds since any beginning. */
  now(): number;
  until(time: number): Promise<void>;
}

const seconds = (): number => performance.now() / 1000;

/** Waits as a listener does. */
export const wallClock: LiveClock = {
  now: seconds,
  until: (time) =>
    new Promise((resolve) => {
      setTimeout(resolve, Math.max(0, time - seconds()) * 1000);
    }),
};

/**
 * Leaves out the waiting and nothing else: what computing takes passes as it does on the wall clock. So what is committed, and
 * how long after it was said, is the same, while a recording takes only the time that is computed.
 */
export function skippingClock(): LiveClock {
  let skipped = 0;
  const now = () => seconds() + skipped;
  return {
    now,
    until: async (time) => {
      skipped += Math.max(0, time - now());
    },
  };
}

/** Samples that are heard together: 100 ms. */
const BLOCK = 0.1 * SAMPLE_RATE;

/**
 * The events of a session that hears a recording by the clock, which must be the session's.
 * @param recording blocks of samples of any length
 */
export async function* heardBy(
  session: LiveSession,
  recording: AsyncIterable<Float32Array> | Iterable<Float32Array>,
  clock: LiveClock,
  signal?: AbortSignal,
): AsyncGenerator<LiveEvent, void, undefined> {
  const begin = clock.now();
  const blocks = equalBlocks(recording);
  let next = await blocks.next();
  let heard = 0;
  while (!session.done) {
    signal?.throwIfAborted();
    while (!next.done) {
      const at = begin + (heard + next.value.length) / SAMPLE_RATE;
      if (at > clock.now()) break;
      heard += next.value.length;
      session.push(next.value, at);
      next = await blocks.next();
      if (next.done) session.end();
    }
    if (next.done && heard === 0) session.end();
    if (session.hasWork) yield* await session.step();
    else if (!next.done) await clock.until(begin + (heard + next.value.length) / SAMPLE_RATE);
  }
}

async function* equalBlocks(
  recording: AsyncIterable<Float32Array> | Iterable<Float32Array>,
): AsyncGenerator<Float32Array, void, undefined> {
  let block = new Float32Array(BLOCK);
  let filled = 0;
  for await (const samples of recording) {
    for (let at = 0; at < samples.length; ) {
      const part = samples.subarray(at, at + BLOCK - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < BLOCK) continue;
      yield block;
      block = new Float32Array(BLOCK);
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}
