/**
 * Archives in gzip, which cannot be read from the middle: decompressed once into the cache, as a .tar that is then read in
 * place. What is in it is not unpacked.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { UserError } from '../errors.ts';
import { fingerprint } from './fingerprint.ts';
import { freeDisk } from './free-disk.ts';
import { cannotOpen, exists } from './read.ts';
import { replaceWhole, writing } from './write-whole.ts';

/** Speech compresses to half at best; beyond this an archive is a bomb. */
const MOST_RATIO = 20;
/** Small archives of mostly headers compress better. */
const ALWAYS_ALLOWED = 2 ** 26;
/** Left free on the disk. */
const ROOM = 2 ** 30;
/** The disk is looked at again after so many bytes. */
const CHECK_BYTES = 2 ** 28;
/** One that is being written changes. */
const LEFT_OVER_MS = 3600_000;

/** Where decompressed archives are kept, and what a user is told. */
export const archives: {
  /** Undefined: nowhere. */
  folder: string | undefined;
  onNote: ((note: string) => void) | undefined;
} = { folder: join('out', 'cache', 'archives'), onNote: undefined };

export const isGzipped = (path: string): boolean => /\.(?:tar\.gz|tgz)$/i.test(path);

/** Those that are being decompressed. */
const running = new Map<string, Promise<void>>();

/**
 * The path of the archive as a .tar: decompressed before, or now. Another size, time or inode of the file is another archive.
 * @throws UserError where it is damaged, too large for its size or the disk, or nothing may be kept
 */
export async function gunzipped(path: string): Promise<string> {
  const found = await stat(path).catch((error: unknown) => {
    throw cannotOpen(path, error, 'a tar archive');
  });
  const { folder } = archives;
  if (!found.isFile()) throw new UserError(`${path}: found no file; expected a tar archive`);
  const place = `${resolve(path)}\n${found.size}\n${found.mtimeMs}\n${found.ino}`;
  const name = `${basename(path)
    .replace(/\.(?:tar\.gz|tgz)$/i, '')
    .slice(0, 80)}-${fingerprint(place, 16)}.tar`;
  if (folder === undefined) {
    throw new UserError(
      `${path}: found an archive in gzip, which is decompressed into the cache; expected a cache, or a .tar (gunzip)`,
    );
  }
  const target = join(folder, name);
  if (await exists(target)) return target;
  const begun = running.get(target) ?? decompress(path, found.size, folder, target);
  running.set(target, begun);
  try {
    await begun;
  } finally {
    running.delete(target);
  }
  return target;
}

async function decompress(path: string, size: number, folder: string, target: string): Promise<void> {
  const most = MOST_RATIO * size + ALWAYS_ALLOWED;
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(bytes < 1e9 ? 3 : 1)} GB`;
  archives.onNote?.(`${path}: decompressing it once to ${target}; a .tar would be read in place`);
  await writing(target, async () => {
    await mkdir(folder, { recursive: true });
    await removeLeftovers(folder);
  });
  let written = 0;
  let checked = Number.NEGATIVE_INFINITY;
  const limited = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const bytes of source) {
      written += bytes.length;
      if (written > most) {
        throw new UserError(
          `${path}: found more than ${gb(most)} in ${gb(size)} of gzip; expected at most ${MOST_RATIO} times its size: ` +
            'a decompression bomb? If it is not, decompress it (gunzip) and name the .tar',
        );
      }
      if (written - checked > CHECK_BYTES) {
        checked = written;
        const free = await freeDisk(folder);
        if (free < ROOM) {
          throw new UserError(
            `${folder}: found ${gb(free)} free after ${gb(written)} of ${path}; expected ${gb(ROOM)} to be left`,
          );
        }
      }
      yield bytes;
    }
  };
  await writing(target, () =>
    replaceWhole(target, async (incomplete) => {
      try {
        await pipeline(createReadStream(path), createGunzip(), limited, createWriteStream(incomplete));
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (!code?.startsWith('Z_')) throw error;
        throw new UserError(
          `${path}: found damaged gzip after ${gb(written)} (${message}); expected a tar.gz`,
        );
      }
    }),
  );
  archives.onNote?.(`${path}: ${gb(written)} in ${target}`);
}

/** Of processes that were killed. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.incomplete')) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > LEFT_OVER_MS) await rm(join(folder, name), { force: true });
  }
}
