/** Writes files and folders atomically: each is complete, or as it was before. */
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { fingerprint } from './fingerprint.ts';
import { exists } from './read.ts';
import { reasonOf } from './system-error.ts';

/** Content for `writeFile`; an iterable of strings where the whole exceeds the longest string. */
export type Content = string | Uint8Array | Iterable<string | Uint8Array>;

/** Longest name of a file, in bytes, that leaves room for a suffix. */
const MAX_NAME_BYTES = 200;

/** The name of a file, or where a suffix would make it too long for the system, its fingerprint. */
export const shortName = (name: string): string =>
  Buffer.byteLength(name) > MAX_NAME_BYTES ? fingerprint(name, 32) : name;

/**
 * Calls `write` with a temporary name beside `target`, which no other process uses, then renames the result. On failure
 * nothing is left of it.
 */
export async function replaceWhole(
  target: string,
  write: (incomplete: string) => Promise<void>,
  putInPlace: (incomplete: string) => Promise<void> = (incomplete) => rename(incomplete, target),
): Promise<void> {
  const incomplete = join(dirname(target), `${shortName(basename(target))}.${process.pid}.incomplete`);
  try {
    await write(incomplete);
    await putInPlace(incomplete);
  } catch (error) {
    await rm(incomplete, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
}

/** Writes a file, and missing folders above it. @throws UserError where it cannot be written */
export async function writeWhole(file: string, content: Content): Promise<void> {
  await writing(file, async () => {
    await mkdir(dirname(file), { recursive: true });
    // A device such as /dev/stdout is written to, not replaced.
    const found = await stat(file).catch(() => undefined);
    if (found && !found.isFile() && !found.isDirectory()) await writeFile(file, content);
    else await replaceWhole(file, (incomplete) => writeFile(incomplete, content));
  });
}

/** Writes indented JSON. @throws UserError where it cannot be written */
export function writeJson(file: string, value: unknown, indent = 2): Promise<void> {
  return writeWhole(file, `${JSON.stringify(value, null, indent)}\n`);
}

/** Writes files by name into a folder. @throws UserError where one cannot be written */
export async function writeFiles(folder: string, files: Readonly<Record<string, Content>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeWhole(join(folder, name), content);
}

/**
 * Creates a folder if missing; call it before long work.
 * @returns the absolute path of the highest folder that was created; undefined where there was one
 * @throws UserError where it cannot be created or written
 */
export async function createFolder(folder: string): Promise<string | undefined> {
  return writing(
    folder,
    async () => {
      // Below a read-only folder mkdir would say that it is missing.
      if (!(await exists(folder))) await checkRoomBeside(folder);
      const created = await mkdir(folder, { recursive: true });
      await checkRoom(folder);
      return created && resolve(created);
    },
    'a folder to write into',
  );
}

/** Checks before long work that a file can be written. @throws UserError where it cannot */
export async function checkWritable(file: string): Promise<void> {
  await writing(file, async () => {
    const found = await stat(file).catch(() => undefined);
    if (found?.isDirectory()) throw new UserError(`${file}: is a folder; expected a file to write`);
    if (!found || found.isFile()) await checkRoomBeside(file);
  });
}

/** Checks before long work that something can be written under this name. @throws UserError where it cannot */
export async function checkRoomBeside(path: string): Promise<void> {
  await writing(path, async () => {
    let folder = dirname(resolve(path));
    while (!(await exists(folder)) && dirname(folder) !== folder) folder = dirname(folder);
    await checkRoom(folder);
  });
}

/** Enough that it does not fit into a full disk's last block. */
const PROBE = new Uint8Array(8192);

async function checkRoom(folder: string): Promise<void> {
  await replaceWhole(
    join(folder, 'room'),
    (incomplete) => writeFile(incomplete, PROBE),
    (incomplete) => rm(incomplete),
  );
}

/**
 * Runs work that writes.
 * @throws UserError where the system refuses it: a full disk, a missing permission
 */
export async function writing<T>(
  path: string,
  work: () => Promise<T>,
  expected = 'a place to write to',
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    throw new UserError(`${path}: cannot be written: ${reason}; expected ${expected}`);
  }
}
