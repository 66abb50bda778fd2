/**
 * Archives in gzip, which cannot be read from the middle: decompressed once into the cache, as a .tar that is then read in
 * place. What is in it is not unpacked.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { freeDisk } from '../files/free-disk.ts';
import { cannotOpen } from '../files/read.ts';
import { replaceWhole, writing } from '../files/write-whole.ts';
import { formatBytes } from '../report/format.ts';

/** Speech compresses to half at best; beyond this an archive is a bomb. */
const MOST_RATIO = 20;
/** Small archives of mostly headers compress better. */
const ALWAYS_ALLOWED = 2 ** 26;
/** Left free on the disk. */
const ROOM = 2 ** 30;
/** The disk is looked at again after so many bytes. */
const CHECK_BYTES = 2 ** 28;
/** Uses are noted so often at most. */
const USE_MS = 3600_000;
/** One that is being written changes. */
const LEFT_OVER_MS = 3600_000;

/** Where decompressed archives are kept, and what a user is told. */
export const archives: {
  /** Undefined: nowhere. */
  folder: string | undefined;
  onNote: ((note: string) => void) | undefined;
} = { folder: join('out', 'cache', 'archives'), onNote: undefined };

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
  const there = await stat(target).catch(() => undefined);
  if (there) {
    // The last use, for who makes room; the time of writing stays, by which an index of it is known.
    const now = new Date();
    if (now.getTime() - there.atimeMs > USE_MS) await utimes(target, now, there.mtime).catch(() => {});
    return target;
  }
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
          `${path}: found more than ${formatBytes(most)} in ${formatBytes(size)} of gzip; expected at most ${MOST_RATIO} times its size: ` +
            'a decompression bomb? If it is not, decompress it (gunzip) and name the .tar',
        );
      }
      if (written - checked > CHECK_BYTES) {
        checked = written;
        const free = await freeDisk(folder);
        if (free < ROOM) {
          throw new UserError(
            `${folder}: found ${formatBytes(free)} free after ${formatBytes(written)} of ${path}; expected ${formatBytes(ROOM)} to be left`,
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
          `${path}: found damaged gzip after ${formatBytes(written)} (${message}); expected a tar.gz`,
        );
      }
    }),
  );
  archives.onNote?.(`${path}: ${formatBytes(written)} in ${target}`);
}

/** Of processes that were killed. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.incomplete')) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > LEFT_OVER_MS) await rm(join(folder, name), { force: true });
  }
}

/** A decompressed archive in a folder of them, or what a process that was killed left of one. */
export interface KeptArchive {
  readonly path: string;
  readonly bytes: number;
  /** ms since 1970. */
  readonly begun: number;
  readonly used: number;
}

/** What is kept of archives, without what is being written. */
export async function keptArchives(folder: string): Promise<KeptArchive[]> {
  const kept: KeptArchive[] = [];
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile() || !/\.(?:tar|incomplete)$/.test(name)) continue;
    if (name.endsWith('.incomplete') && Date.now() - found.mtimeMs < LEFT_OVER_MS) continue;
    const { size, birthtimeMs, mtimeMs, atimeMs } = found;
    kept.push({ path, bytes: size, begun: birthtimeMs || mtimeMs, used: Math.max(atimeMs, mtimeMs) });
  }
  return kept;
}
