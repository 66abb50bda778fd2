/** Files that have the content of others, whatever their names: of hundreds of thousands few are read. */
import { open, stat } from 'node:fs/promises';
import { Fingerprint, fingerprint } from './fingerprint.ts';

/** Read of the beginning and of the end of a file. */
const END_BYTES = 4096;
/** Files read together. */
const FILES_AT_ONCE = 64;

export interface SameContentOptions {
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Compares files by size, those of a size by both ends, and those with equal ends by all their bytes. */
export class SameContent {
  readonly #files = new Map<string, number>();
  readonly #sizes = new Set<number>();
  readonly #others = new Map<string, number>();

  /** @param bytes its size */
  add(file: string, bytes: number): void {
    if (bytes === 0) return;
    this.#files.set(file, bytes);
    this.#sizes.add(bytes);
  }

  /** Adds a file that is compared with those that were added before. */
  addOther(file: string, bytes: number): void {
    if (this.#sizes.has(bytes)) this.#others.set(file, bytes);
  }

  /** Each file with the first other that has its content. Files that cannot be read are like none. */
  async pairs({ onProgress, signal }: SameContentOptions = {}): Promise<Map<string, string>> {
    const compared = new Set(this.#others.values());
    const files = [...this.#files].filter(([, bytes]) => compared.has(bytes));
    const total = files.length + this.#others.size;
    const progress = (done: number): void => {
      signal?.throwIfAborted();
      onProgress?.(done, total);
    };
    const byEnds = new Map<string, string[]>();
    for await (const [file, ends] of endsOfFiles(files, progress)) {
      const alike = byEnds.get(ends);
      if (alike) alike.push(file);
      else byEnds.set(ends, [file]);
    }
    const pairs = new Map<string, string>();
    const others = [...this.#others];
    for await (const [other, ends] of endsOfFiles(others, (done) => progress(files.length + done))) {
      for (const file of byEnds.get(ends) ?? []) {
        if (!pairs.has(file) && (file === other || (await haveSameBytes(file, other))))
          pairs.set(file, other);
      }
      if (pairs.size === files.length) break;
    }
    if (total > 0) progress(total);
    return pairs;
  }
}

async function* endsOfFiles(
  files: readonly (readonly [file: string, bytes: number])[],
  onProgress: (done: number) => void,
): AsyncGenerator<[file: string, ends: string]> {
  for (let start = 0; start < files.length; start += FILES_AT_ONCE) {
    const some = files.slice(start, start + FILES_AT_ONCE);
    const found = await Promise.all(
      some.map(([file, bytes]) => endsOfFile(file, bytes).catch(() => undefined)),
    );
    for (const [i, [file]] of some.entries()) {
      const ends = found[i];
      if (ends !== undefined) yield [file, ends];
    }
    onProgress(start + some.length);
  }
}

/** Each of the files with the first of the others that has its content. */
export async function sameContent(
  files: readonly string[],
  others: readonly string[],
  options: SameContentOptions = {},
): Promise<Map<string, string>> {
  const index = new SameContent();
  await withSizes(files, options, (file, bytes) => index.add(file, bytes));
  await withSizes(others, options, (file, bytes) => index.addOther(file, bytes));
  return index.pairs(options);
}

async function withSizes(
  files: readonly string[],
  { signal }: SameContentOptions,
  add: (file: string, bytes: number) => void,
): Promise<void> {
  for (let start = 0; start < files.length; start += FILES_AT_ONCE) {
    signal?.throwIfAborted();
    const some = files.slice(start, start + FILES_AT_ONCE);
    const sizes = await Promise.all(some.map((file) => stat(file).catch(() => undefined)));
    some.forEach((file, i) => {
      if (sizes[i]) add(file, sizes[i].size);
    });
  }
}

async function endsOfFile(file: string, bytes: number): Promise<string> {
  const handle = await open(file);
  try {
    const ends = Buffer.alloc(Math.min(bytes, 2 * END_BYTES));
    const { length } = ends;
    if (length === bytes) await handle.read(ends, 0, length, 0);
    else {
      await handle.read(ends, 0, END_BYTES, 0);
      await handle.read(ends, END_BYTES, END_BYTES, bytes - END_BYTES);
    }
    return `${bytes} ${fingerprint(ends, 32)}`;
  } finally {
    await handle.close();
  }
}

async function haveSameBytes(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all(
    [a, b].map(async (file) => (await new Fingerprint().addFile(file)).hex()),
  );
  return one === other;
}
