/** Which clips share an encoder run. */

import { placesBy } from '../lists.ts';

/** At most so many frames in one run: enough to keep the cores busy, little enough to stay in cache. */
const FRAMES_PER_RUN = 1500;

/**
 * Clips of equal windows together, as many as one run takes.
 * @param windows frames of each clip's window
 * @returns places of the clips in `windows`
 */
export function* windowBatches(
  windows: readonly number[],
): Generator<{ readonly window: number; readonly members: readonly number[] }> {
  for (const [window, all] of placesBy(windows, (frames) => frames)) {
    const perRun = Math.max(1, Math.floor(FRAMES_PER_RUN / window));
    for (let start = 0; start < all.length; start += perRun) {
      yield { window, members: all.slice(start, start + perRun) };
    }
  }
}
