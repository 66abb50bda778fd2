/** Work on several things at a time. */

/**
 * Works on items, some at once. The first error stops all; they have ended when it is thrown.
 * @param count of the items that are worked on at a time
 * @param work with a signal that aborts with `signal`, or where another item failed
 */
export async function inParallel<T>(
  items: Iterable<T>,
  count: number,
  signal: AbortSignal | undefined,
  work: (item: T, stop: AbortSignal) => Promise<void>,
): Promise<void> {
  signal?.throwIfAborted();
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const iterator = items[Symbol.iterator]();
  let first: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && !stop.aborted; next = iterator.next()) {
      try {
        await work(next.value, stop);
      } catch (error) {
        first ??= { error };
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  signal?.throwIfAborted();
  if (first) throw first.error;
}
