/** Turns of live streams. */
import { expect, test } from 'vitest';
import type { LiveSession } from '../live/session.ts';
import { Streams } from './process-streams.ts';

test('a stream is told of its end between two steps, so that the last sound is heard', async () => {
  let stepping = false;
  let endedWhileStepping = false;
  let ended = false;
  let heard = 0;
  let waiting = 2;
  const session = {
    get hasWork() {
      return waiting > 0 || ended;
    },
    get done() {
      return ended && waiting === 0;
    },
    end() {
      ended = true;
      endedWhileStepping ||= stepping;
    },
    async step() {
      stepping = true;
      await new Promise((resolve) => setTimeout(resolve, 5));
      heard += waiting;
      waiting = 0;
      stepping = false;
      return [];
    },
  } as unknown as LiveSession;
  const streams = new Streams();
  await new Promise<void>((resolve) => {
    const stream = { session, onEvent: () => {}, onEnd: () => resolve() };
    streams.add(stream);
    streams.wake();
    setTimeout(() => {
      expect(stepping).toBe(true);
      streams.end(stream);
    }, 1);
  });
  expect([heard, endedWhileStepping]).toEqual([2, false]);
});
