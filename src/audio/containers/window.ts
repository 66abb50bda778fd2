/** Reads small pieces of a file from larger ones. */
import type { FileBytes } from '../file-bytes.ts';

const WINDOW_BYTES = 64 * 1024;
/** Longest single piece: no packet of sound and no index of a recording is longer. */
const MAX_PIECE = 64 * 2 ** 20;

export class Window {
  #from = 0;
  #held: Uint8Array = new Uint8Array(0);
  readonly size: number;

  constructor(private readonly file: FileBytes) {
    this.size = file.size;
  }

  /** The bytes from `at` on, fewer at the end of the file. They are to be copied where they are kept. */
  async bytes(at: number, length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, this.size - at);
    if (!(at >= 0) || !(wanted > 0)) return new Uint8Array(0);
    if (wanted > MAX_PIECE) throw new Error(`it claims a piece of ${wanted} bytes`);
    if (at < this.#from || at + wanted > this.#from + this.#held.length) {
      const read = await this.file.read(at, Math.max(wanted, Math.min(WINDOW_BYTES, this.size - at)));
      // Of a Buffer, slice() would be no copy.
      this.#held = new Uint8Array(read.buffer, read.byteOffset, read.byteLength);
      this.#from = at;
    }
    return this.#held.subarray(at - this.#from, at - this.#from + wanted);
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
