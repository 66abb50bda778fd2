/**
 * Aborting long work. The rule for every function that takes `signal`:
 *
 * - The promise or iterable that the caller awaits rejects with `signal.reason` at once, also during a graph run, which
 *   cannot be interrupted: wrap the work in `abortable` (a promise) or `abortableResults` (an async iterable).
 * - The work itself calls `signal?.throwIfAborted()` between graph runs, files and steps, frees what it holds in
 *   `finally`, and leaves files whole: a training run still writes its checkpoint, as after Ctrl-C.
 * - The model stays usable. The computing thread takes requests in order, so a next call begins when the graph run in
 *   progress has ended; its result is dropped.
 */

/**
 * Lets an abort through, such as Ctrl-C, in a long computation that awaits nothing else. Call it several times a second.
 * @throws the reason of an aborted signal
 */
export async function takeTurn(signal?: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}

/** The result of `work`, or a rejection with the signal's reason as soon as it aborts. */
export async function abortable<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (!signal) return work();
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    // Where the signal wins, a later rejection of the work is ignored: the race has handled it.
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', abort!);
  }
}

/** The results of an async iterable, one by one, until the signal aborts. */
export async function* abortableResults<T>(
  signal: AbortSignal | undefined,
  results: AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const iterator = results[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await abortable(signal, () => iterator.next());
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Not awaited: after an abort it would wait for the graph run in progress.
    iterator.return?.()?.catch(() => {});
  }
}
