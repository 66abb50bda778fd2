/** Reads audio files as samples. */
import type { FileHandle } from 'node:fs/promises';
import { open, stat } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { cannotOpen } from '../files/read.ts';
import { BLOCK_BYTES, decodeAudio } from './decode-audio.ts';
import { READABLE_FORMATS } from './formats.ts';

/**
 * Reads an audio file as 16 kHz mono samples in [-1, 1]; see decodeAudio.
 * @param file a path, or a `file:` URL
 * @throws UserError naming the file, what was found and what was expected.
 */
export async function readAudio(file: string | URL): Promise<Float32Array> {
  const name = String(file);
  const expected = `an audio file (${READABLE_FORMATS})`;
  let handle: FileHandle;
  let size: number;
  try {
    // Before opening: to open a pipe would wait for its writer.
    const found = await stat(file);
    if (found.isDirectory()) throw new UserError(`${name}: found a directory; expected ${expected}`);
    if (!found.isFile()) throw new UserError(`${name}: found a device or pipe; expected ${expected}`);
    if (found.size === 0) throw new UserError(`${name}: found an empty file; expected ${expected}`);
    size = found.size;
    handle = await open(file);
  } catch (error) {
    throw cannotOpen(name, error, expected);
  }
  try {
    return await decodeAudio(name, blocksOf(handle), size);
  } finally {
    await handle.close();
  }
}

async function* blocksOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
