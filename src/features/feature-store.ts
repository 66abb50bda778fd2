/**
 * Features of clips on disk, a file per clip: a line of JSON with the shape, then the values as float16. A damaged entry
 * counts as missing: the clip is encoded again.
 */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFolder, writeWhole } from '../files/write-whole.ts';

/** Upper bound of the line of JSON. */
const HEADER_BYTES = 256;

/** @template Shape content of the line of JSON */
export class FeatureStore<Shape extends object> {
  private constructor(
    readonly folder: string,
    private readonly sizeOf: (shape: Shape) => number,
  ) {}

  /** @param sizeOf number of values of an entry of that shape */
  static async open<Shape extends object>(
    folder: string,
    sizeOf: (shape: Shape) => number,
  ): Promise<FeatureStore<Shape>> {
    await createFolder(folder);
    return new FeatureStore(folder, sizeOf);
  }

  pathOf(name: string): string {
    return join(this.folder, name);
  }

  async write(name: string, shape: Shape, values: Uint16Array): Promise<void> {
    const header = Buffer.from(`${JSON.stringify(shape)}\n`);
    const body = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    await writeWhole(this.pathOf(name), Buffer.concat([header, body]));
  }

  /** Reads an entry; undefined where it is missing or incomplete. */
  async read(name: string): Promise<{ shape: Shape; values: Uint16Array } | undefined> {
    const bytes = await readFile(this.pathOf(name)).catch(() => undefined);
    const header = bytes && this.#parse(bytes, bytes.length);
    if (!header) return undefined;
    const start = bytes.byteOffset + header.bytes;
    const values = new Uint16Array(bytes.buffer.slice(start, bytes.byteOffset + bytes.byteLength));
    return { shape: header.shape, values };
  }

  /** Reads only the shape; undefined where the entry is missing or incomplete. */
  async shapeOf(name: string): Promise<Shape | undefined> {
    const handle = await open(this.pathOf(name)).catch(() => undefined);
    if (!handle) return undefined;
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
      return this.#parse(buffer.subarray(0, bytesRead), (await handle.stat()).size)?.shape;
    } finally {
      await handle.close();
    }
  }

  /** The shape in the header; undefined where the file has another length. */
  #parse(start: Buffer, size: number): { shape: Shape; bytes: number } | undefined {
    try {
      const bytes = start.indexOf(10) + 1;
      const shape = JSON.parse(start.toString('utf8', 0, bytes)) as Shape;
      return size - bytes === 2 * this.sizeOf(shape) ? { shape, bytes } : undefined;
    } catch {
      return undefined;
    }
  }
}
