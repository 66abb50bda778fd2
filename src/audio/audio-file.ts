/** Reads audio files as samples. */
import type { FileHandle } from 'node:fs/promises';
import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.ts';
import { cannotOpen } from '../files/read.ts';
import {
  BLOCK_BYTES,
  decodeAudio,
  decodeInBlocks,
  type ReadEvents,
  type ReadOptions,
  type SampleBlock,
  type Selection,
} from './decode-audio.ts';
import type { ByteSource, FileBytes } from './file-bytes.ts';
import { READABLE_FORMATS } from './formats.ts';
import { headerSeconds } from './header-seconds.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

/**
 * Reads an audio file as 16 kHz mono samples in [-1, 1]; see decodeAudio.
 * @param file a path, or a `file:` URL
 * @param signal stops reading and decoding
 * @throws UserError naming the file, what was found and what was expected.
 */
export function readAudio(
  file: string | URL,
  options?: ReadOptions & ReadEvents,
  signal?: AbortSignal,
): Promise<Float32Array> {
  return withFile(file, (name, handle, size) =>
    decodeAudio(name, sourceOf(file, handle, size, signal), size, options),
  );
}

/** Reads an audio file block by block; see decodeInBlocks. The file is open until the iteration ends. */
export async function* readInBlocks(
  file: string | URL,
  selection: Selection,
  signal?: AbortSignal,
): AsyncGenerator<SampleBlock, void, undefined> {
  const { name, handle, size } = await openFile(file);
  try {
    yield* decodeInBlocks(name, sourceOf(file, handle, size, signal), size, selection);
  } finally {
    await handle.close();
  }
}

/**
 * Length of an audio file in seconds, that of what readAudio gives: by its headers where they tell, with few reads, by
 * decoding it where they do not. Damage in the middle, after which decoding gives up, shows only there.
 * @throws UserError as readAudio
 */
export async function audioDuration(file: string | URL): Promise<number> {
  return (await statedDuration(file)) ?? (await readAudio(file)).length / SAMPLE_RATE;
}

/** Likewise, but undefined where only decoding can tell, or fails. */
export const statedDuration = (file: string | URL): Promise<number | undefined> =>
  withFile(file, (_, handle, size) => headerSeconds(bytesOf(handle, size)));

async function withFile<T>(
  file: string | URL,
  use: (name: string, handle: FileHandle, size: number) => Promise<T>,
): Promise<T> {
  const { name, handle, size } = await openFile(file);
  try {
    return await use(name, handle, size);
  } finally {
    await handle.close();
  }
}

async function openFile(file: string | URL): Promise<{ name: string; handle: FileHandle; size: number }> {
  const name = String(file);
  const expected = `an audio file (${READABLE_FORMATS})`;
  try {
    // Before opening: to open a pipe would wait for its writer.
    const found = await stat(file);
    if (found.isDirectory()) throw new UserError(`${name}: found a directory; expected ${expected}`);
    if (!found.isFile()) throw new UserError(`${name}: found a device or pipe; expected ${expected}`);
    if (found.size === 0) throw new UserError(`${name}: found an empty file; expected ${expected}`);
    return { name, handle: await open(file), size: found.size };
  } catch (error) {
    throw cannotOpen(name, error, expected);
  }
}

function bytesOf(handle: FileHandle, size: number, signal?: AbortSignal): FileBytes {
  return {
    size,
    read: async (at, length) => {
      signal?.throwIfAborted();
      const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, at);
      return buffer.subarray(0, bytesRead);
    },
  };
}

function sourceOf(file: string | URL, handle: FileHandle, size: number, signal?: AbortSignal): ByteSource {
  return {
    [Symbol.asyncIterator]: () => blocksOf(handle, signal),
    file: bytesOf(handle, size, signal),
    signal,
    path: resolve(typeof file === 'string' ? file : fileURLToPath(file)),
  };
}

async function* blocksOf(handle: FileHandle, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead, buffer } = await handle.read(new Uint8Array(BLOCK_BYTES), 0, BLOCK_BYTES);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
