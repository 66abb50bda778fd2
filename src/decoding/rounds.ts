/** Recordings that are read and then worked on together. */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';

/** So many recordings, or so much sound, whatever comes first. */
const MAX_RECORDINGS = 32;
const MAX_SECONDS = 1800;

/**
 * Recordings in rounds, in their order. A round does not wait for a recording that is not there yet, such as one that is
 * still being made; the next round does.
 * @param read a recording; the next one is waited for meanwhile
 */
export async function* rounds<Item, Read extends { readonly samples?: Float32Array }>(
  items: Iterable<Item> | AsyncIterable<Item>,
  read: (item: Item) => Promise<Read>,
): AsyncGenerator<Read[], void, undefined> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const pull = (): Promise<IteratorResult<Item>> => {
    const pulled = Promise.resolve(iterator.next());
    // Its error is met when it is waited for.
    pulled.catch(() => {});
    return pulled;
  };
  try {
    let next = pull();
    for (;;) {
      const round: Read[] = [];
      let samples = 0;
      while (round.length < MAX_RECORDINGS && samples < MAX_SECONDS * SAMPLE_RATE) {
        const found = await (round.length === 0 ? next : Promise.race([next, nothingYet()]));
        if (!found) break;
        if (found.done) {
          if (round.length > 0) yield round;
          return;
        }
        next = pull();
        const item = await read(found.value);
        round.push(item);
        samples += item.samples?.length ?? 0;
      }
      yield round;
    }
  } finally {
    // Not awaited: an iterator that waits for its next item ends after it.
    void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

const nothingYet = (): Promise<undefined> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(undefined), 0);
  });
