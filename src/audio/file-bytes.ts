/** Bytes of a file, read where they are needed. */
import { joinBytes } from './join-bytes.ts';

export interface FileBytes {
  readonly size: number;
  /** The bytes from `at` on, fewer at the end of the file. */
  read(at: number, length: number): Promise<Uint8Array>;
}

/** Bytes of a recording in order; of a file they can be read in any order, too. */
export interface ByteSource extends AsyncIterable<Uint8Array> {
  readonly file?: FileBytes;
  /** Where other programs find them. */
  readonly path?: string;
  /** Stops reading and decoding; of other sources a pipe does. */
  readonly signal?: AbortSignal | undefined;
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

/** Bytes that are held in memory, in pieces. */
export function heldBytes(pieces: readonly Uint8Array[]): FileBytes {
  const ends: number[] = [];
  let size = 0;
  for (const { length } of pieces) {
    size += length;
    ends.push(size);
  }
  return {
    size,
    read: async (at, length) => {
      const to = Math.min(at + length, size);
      let [low, high] = [0, pieces.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (ends[middle]! <= at) low = middle + 1;
        else high = middle;
      }
      const parts: Uint8Array[] = [];
      for (let place = at; place < to; low++) {
        const piece = pieces[low]!;
        const begin = ends[low]! - piece.length;
        parts.push(piece.subarray(place - begin, Math.min(piece.length, to - begin)));
        place = ends[low]!;
      }
      return parts.length === 1 ? parts[0]! : joinBytes(parts);
    },
  };
}
