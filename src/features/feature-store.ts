/**
 * Features of clips on disk: a file a clip, a line of JSON that tells the shape, then the values as float16. A damaged
 * entry is as good as none: the clip is encoded again.
 */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, writeWhole } from '../files/write-whole.ts';

/** More than the line of JSON takes. */
const HEADER_BYTES = 256;

/** @template Shape what the line of JSON holds */
export class FeatureStore<Shape extends object> {
  private constructor(
    readonly folder: string,
    private readonly sizeOf: (shape: Shape) => number,
  ) {}

  /** @param sizeOf how many values an entry of that shape has */
  static async open<Shape extends object>(
    folder: string,
    sizeOf: (shape: Shape) => number,
  ): Promise<FeatureStore<Shape>> {
    await makeFolder(folder);
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

  /** Undefined where the entry is not there, or not whole. */
  async read(name: string): Promise<{ shape: Shape; values: Uint16Array } | undefined> {
    const bytes = await readFile(this.pathOf(name)).catch(() => undefined);
    const header = bytes && this.#parse(bytes, bytes.length);
    if (!header) return undefined;
    const start = bytes.byteOffset + header.bytes;
    const values = new Uint16Array(bytes.buffer.slice(start, bytes.byteOffset + bytes.byteLength));
    return { shape: header.shape, values };
  }

  /** The shape alone; undefined where the entry is not there, or not whole. */
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

  /** Undefined where the file is not as long as its header tells. */
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
