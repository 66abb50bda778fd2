/** Bytes of a file, read where they are needed. */

export interface FileBytes {
  readonly size: number;
  /** The bytes from `at` on, fewer at the end of the file. */
  read(at: number, length: number): Promise<Uint8Array>;
}

const BLOCK_BYTES = 64 * 1024;

export async function* blocksFrom(file: FileBytes): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.size; ) {
    const block = await file.read(at, BLOCK_BYTES);
    if (block.length === 0) return;
    at += block.length;
    yield block;
  }
}

/** The bytes of a file from one on. */
export function fromByte({ size, read }: FileBytes, start: number): FileBytes {
  return { size: size - start, read: (at, length) => read(start + at, length) };
}
