/** Batches recordings as they are read. */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';

/** Limits of a round: number of recordings and amount of audio, whichever is reached first. */
const MAX_RECORDINGS = 32;
const MAX_SECONDS = 1800;

/** Whether so many recordings with so many samples together are a whole round. */
export const endsRound = (recordings: number, samples: number): boolean =>
  recordings >= MAX_RECORDINGS || samples >= MAX_SECONDS * SAMPLE_RATE;

/**
 * Recordings in rounds, in their order. A round does not wait for a recording that is not available yet; the next round
 * does.
 * @param read reads a recording, while the next one is requested; its length is in samples
 */
export async function* rounds<Item, Read extends { readonly length: number }>(
  items: Iterable<Item> | AsyncIterable<Item>,
  read: (item: Item) => Promise<Read>,
): AsyncGenerator<Read[], void, undefined> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const pull = (): Promise<IteratorResult<Item>> => {
    const pulled = Promise.resolve(iterator.next());
    // Its error is thrown when it is awaited.
    pulled.catch(() => {});
    return pulled;
  };
  try {
    let next = pull();
    for (;;) {
      const round: Read[] = [];
      let samples = 0;
      while (!endsRound(round.length, samples)) {
        const found = await (round.length === 0 ? next : Promise.race([next, nothingYet()]));
        if (!found) break;
        if (found.done) {
          if (round.length > 0) yield round;
          return;
        }
        next = pull();
        const item = await read(found.value);
        round.push(item);
        samples += item.length;
      }
      yield round;
    }
  } finally {
    // Not awaited: a pending iterator only ends after its next item.
    void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

const nothingYet = (): Promise<undefined> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(undefined), 0);
  });
