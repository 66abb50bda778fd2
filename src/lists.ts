/** Lists in parts: by what their items have in common, and by number. */

/** The places of the items in the list, by key, in order of appearance. */
export function placesBy<T, Key>(items: readonly T[], keyOf: (item: T) => Key): Map<Key, number[]> {
  const places = new Map<Key, number[]>();
  for (const [place, item] of items.entries()) {
    const key = keyOf(item);
    const own = places.get(key);
    if (own) own.push(place);
    else places.set(key, [place]);
  }
  return places;
}

/** The items in lists of `size`; the last one has what is left. */
export function* inBatches<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The entry of a key, which is made where there is none. */
export function entryOf<T>(entries: Map<string, T>, key: string, make: () => T): T {
  let entry = entries.get(key);
  if (entry === undefined) {
    entry = make();
    entries.set(key, entry);
  }
  return entry;
}
