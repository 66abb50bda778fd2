/** Joins rows of several tables about the same recordings. */
import { inParts } from '../files/temporary-lines.ts';

interface Pending<T> {
  readonly rows: (T | undefined)[];
  left: number;
}

/** Keys that wait in memory for the rows of other tables. */
const MOST_PENDING = 100_000;
/** Files of rows beyond; each is held alone. */
const PARTS = 64;

/**
 * The rows of each key, one of each table. All tables are read in step, and a key is given as soon as no table can have it:
 * tables in the same order need memory for a row, others for those that wait. Where more than `most` keys wait, the rest of
 * the tables is written to temporary files by hashes of the keys, and joined file by file: keys come in no order then.
 * @param tables rows of JSON; a key that a table has twice counts once, with its last row
 */
export async function* joinRows<T>(
  tables: readonly AsyncIterable<T>[],
  keyOf: (row: T) => string,
  most = MOST_PENDING,
): AsyncGenerator<(T | undefined)[]> {
  const readers = tables.map((table) => table[Symbol.asyncIterator]());
  const open = readers.map(() => true);
  const pending = new Map<string, Pending<T>>();
  try {
    while (open.includes(true)) {
      if (pending.size > most) {
        yield* joinInParts(pending, readers, keyOf);
        return;
      }
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

/** Joins what waits and the rest of the tables. */
function joinInParts<T>(
  pending: Map<string, Pending<T>>,
  readers: readonly AsyncIterator<T>[],
  keyOf: (row: T) => string,
): AsyncGenerator<(T | undefined)[]> {
  return inParts<[table: number, row: T], (T | undefined)[]>(PARTS, async function* ({ add, read }) {
    for (const [key, { rows }] of pending) {
      for (const [i, row] of rows.entries()) if (row !== undefined) await add(key, [i, row]);
    }
    pending.clear();
    for (const [i, reader] of readers.entries()) {
      for (let next = await reader.next(); !next.done; next = await reader.next())
        await add(keyOf(next.value), [i, next.value]);
    }
    for await (const part of read()) {
      const keys = new Map<string, (T | undefined)[]>();
      for await (const [i, row] of part) {
        const key = keyOf(row);
        const rows = keys.get(key) ?? new Array<T | undefined>(readers.length).fill(undefined);
        rows[i] = row;
        keys.set(key, rows);
      }
      yield* keys.values();
    }
  });
}

/** A table that is missing. */
export async function* noRows(): AsyncGenerator<never> {}
