/** Values on the disk for a while, as JSON a line, where a corpus has more of them than memory should hold. */
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hashOf } from '../seen-hashes.ts';
import { textLines } from './lines.ts';

/** Values that are sorted in memory at once. */
const MOST_IN_MEMORY = 50_000;
/** Characters that are written at once. */
const PIECE = 1 << 16;

/** Calls `work` with a folder that is removed afterwards. */
async function* inTemporaryFolder<T>(work: (folder: string) => AsyncGenerator<T>): AsyncGenerator<T> {
  const folder = await mkdtemp(join(tmpdir(), 'whisper-transfer-'));
  try {
    yield* work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* valuesIn<T>(file: string): AsyncGenerator<T> {
  for await (const { text } of textLines(file, 'a value a line')) yield JSON.parse(text) as T;
}

/** A value, and where it stands among the others. */
export interface Ordered<T> {
  readonly order: number;
  readonly value: T;
}

/**
 * Sorts values of JSON by numbers; those with the same stay in their order. Of more than `most`, runs are sorted, written to
 * files and merged.
 */
export async function* sortedByOrder<T>(
  values: AsyncIterable<Ordered<T>>,
  most = MOST_IN_MEMORY,
): AsyncGenerator<T> {
  yield* inTemporaryFolder(async function* (folder) {
    let held: Ordered<T>[] = [];
    const files: string[] = [];
    const sorted = (): Ordered<T>[] => held.sort((a, b) => a.order - b.order);
    for await (const value of values) {
      if (held.length === most) {
        const file = join(folder, String(files.length));
        for (let i = 0; i < most; i += 1000) {
          const lines = (i === 0 ? sorted() : held)
            .slice(i, i + 1000)
            .map((one) => `${JSON.stringify(one)}\n`);
          await appendFile(file, lines.join(''));
        }
        files.push(file);
        held = [];
      }
      held.push(value);
    }
    const last = async function* (): AsyncGenerator<Ordered<T>> {
      yield* sorted();
    };
    yield* merged([...files.map((file) => valuesIn<Ordered<T>>(file)), last()]);
  });
}

/** Merges sorted runs; of equal values the earlier run's come first. */
async function* merged<T>(runs: readonly AsyncGenerator<Ordered<T>>[]): AsyncGenerator<T> {
  const heads = await Promise.all(runs.map((run) => run.next()));
  try {
    for (;;) {
      let first: number | undefined;
      for (const [i, head] of heads.entries()) {
        if (head.done) continue;
        const best = first === undefined ? undefined : heads[first]!;
        if (best === undefined || best.done || head.value.order < best.value.order) first = i;
      }
      if (first === undefined) return;
      yield (heads[first]!.value as Ordered<T>).value;
      heads[first] = await runs[first]!.next();
    }
  } finally {
    for (const run of runs) await run.return(undefined);
  }
}

/** Values of JSON that are written to one of several files by their key, so that each file can be held. */
export interface Parts<T> {
  readonly add: (key: string, value: T) => Promise<void>;
  /** The values of each file, in the order in which they were added. */
  readonly read: () => AsyncGenerator<AsyncGenerator<T>>;
}

/** Calls `work` with such files, which are removed afterwards. */
export async function* inParts<T, Result>(
  count: number,
  work: (parts: Parts<T>) => AsyncGenerator<Result>,
): AsyncGenerator<Result> {
  yield* inTemporaryFolder(async function* (folder) {
    const waiting: string[] = new Array(count).fill('');
    const fileOf = (part: number): string => join(folder, String(part));
    const flush = async (part: number): Promise<void> => {
      const text = waiting[part]!;
      waiting[part] = '';
      await appendFile(fileOf(part), text);
    };
    yield* work({
      add: async (key, value) => {
        const part = hashOf(key) % count;
        waiting[part] += `${JSON.stringify(value)}\n`;
        if (waiting[part]!.length >= PIECE) await flush(part);
      },
      async *read() {
        for (let part = 0; part < count; part++) {
          await flush(part);
          yield valuesIn<T>(fileOf(part));
        }
      },
    });
  });
}
