/** SHA-256 fingerprints, which identify caches, checkpoints and resumed runs: their values must not change. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export type Hashable = string | NodeJS.ArrayBufferView;

export class Fingerprint {
  readonly #hash = createHash('sha256');

  add(...parts: readonly Hashable[]): this {
    for (const part of parts) this.#hash.update(part);
    return this;
  }

  /** Adds a file's bytes. */
  async addFile(file: string): Promise<this> {
    // A buffer is made for each read: of many small files large ones would take most of the time.
    const highWaterMark = Math.min(1 << 20, Math.max(1 << 12, (await stat(file)).size + 1));
    for await (const bytes of createReadStream(file, { highWaterMark })) this.#hash.update(bytes);
    return this;
  }

  /** @param digits hexadecimal digits of the result, of 64 */
  hex(digits = 64): string {
    // A part of a longer text would keep the whole in memory.
    return this.#hash
      .digest()
      .toString('hex', 0, Math.ceil(digits / 2))
      .slice(0, digits);
  }
}

/** @param digits hexadecimal digits of the result, of 64 */
export const fingerprint = (content: Hashable, digits = 64): string =>
  new Fingerprint().add(content).hex(digits);

/** Fingerprint of the bytes of a file; of a folder, of names and sizes, and of the bytes of files for which `isRead` holds. */
export async function fingerprintOfPath(
  path: string,
  isRead: (file: string) => boolean,
  digits = 64,
): Promise<string> {
  const hash = new Fingerprint();
  if ((await stat(path)).isFile()) return (await hash.addFile(path)).hex(digits);
  for (const file of (await readdir(path, { recursive: true })).sort()) {
    const found = await stat(join(path, file));
    if (!found.isFile()) continue;
    hash.add(`${file}\n${found.size}\n`);
    if (isRead(file)) await hash.addFile(join(path, file));
  }
  return hash.hex(digits);
}

/** Hash in the form of a content security policy. */
export const base64Fingerprint = (text: string): string => createHash('sha256').update(text).digest('base64');

/** A seed for a text: 32 bits of its SHA-256. */
export const seedOf = (text: string): number => createHash('sha256').update(text).digest().readUInt32LE();
