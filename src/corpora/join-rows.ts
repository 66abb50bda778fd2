/** Joins rows of several tables about the same recordings. */

interface Pending<T> {
  readonly rows: (T | undefined)[];
  left: number;
}

/**
 * The rows of each key, one of each table. All tables are read in step, and a key is given as soon as no table can have it:
 * tables in the same order need memory for a row, others for those that wait.
 * @param tables a key that a table has twice counts once, with its last row
 */
export async function* joinRows<T>(
  tables: readonly AsyncIterable<T>[],
  keyOf: (row: T) => string,
): AsyncGenerator<(T | undefined)[]> {
  const readers = tables.map((table) => table[Symbol.asyncIterator]());
  const open = readers.map(() => true);
  const pending = new Map<string, Pending<T>>();
  try {
    while (open.includes(true)) {
      for (const [i, reader] of readers.entries()) {
        if (!open[i]) continue;
        const { value, done } = await reader.next();
        if (done) {
          open[i] = false;
          for (const [key, one] of pending) {
            if (one.rows[i] === undefined) one.left--;
            if (one.left > 0) continue;
            pending.delete(key);
            yield one.rows;
          }
          continue;
        }
        const key = keyOf(value);
        let one = pending.get(key);
        if (!one) {
          one = { rows: new Array(tables.length).fill(undefined), left: open.filter(Boolean).length };
          pending.set(key, one);
        }
        if (one.rows[i] === undefined) one.left--;
        one.rows[i] = value;
        if (one.left > 0) continue;
        pending.delete(key);
        yield one.rows;
      }
    }
  } finally {
    for (const reader of readers) await reader.return?.();
  }
}

/** A table that is missing. */
export async function* noRows(): AsyncGenerator<never> {}
