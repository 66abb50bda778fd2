/** Writes files and folders atomically: each is complete, or as it was before. */
import { randomInt } from 'node:crypto';
import { rmdirSync } from 'node:fs';
import { access, constants, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { fingerprint } from './fingerprint.ts';
import { exists } from './read.ts';
import { reasonOf } from './system-error.ts';

/** Content for `writeFile`; an iterable of strings where the whole exceeds the longest string. */
export type Content =
  | string
  | Uint8Array
  | Iterable<string | Uint8Array>
  | AsyncIterable<string | Uint8Array>;

/** Characters of a piece. */
const PIECE = 1 << 20;

/** Lines joined into pieces of about a megabyte: each piece of a content is a write of its own. */
export function* inPieces<T>(items: Iterable<T>, line: (item: T) => string): Generator<string> {
  let piece = '';
  for (const item of items) {
    piece += line(item);
    if (piece.length < PIECE) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** The same of lines that come one by one. */
export async function* streamInPieces<T>(
  items: AsyncIterable<T>,
  line: (item: T) => string,
): AsyncGenerator<string> {
  let piece = '';
  for await (const item of items) {
    piece += line(item);
    if (piece.length < PIECE) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** Longest name of a file, in bytes, that leaves room for a suffix. */
const MAX_NAME_BYTES = 200;

/** The name of a file, or where a suffix would make it too long for the system, its fingerprint. */
export const shortName = (name: string): string =>
  Buffer.byteLength(name) > MAX_NAME_BYTES ? fingerprint(name, 32) : name;

/** Tells the temporary names of processes apart: two machines, or two containers, may have the same process id. */
const SELF = randomInt(2 ** 47);
let writes = 0;

/**
 * Calls `write` with a temporary name beside `target`, which no other write uses, then renames the result. On failure
 * nothing is left of it.
 */
export async function replaceWhole(
  target: string,
  write: (incomplete: string) => Promise<void>,
  putInPlace: (incomplete: string) => Promise<void> = (incomplete) => rename(incomplete, target),
): Promise<void> {
  const incomplete = join(dirname(target), `${shortName(basename(target))}.${SELF}-${++writes}.incomplete`);
  try {
    await write(incomplete);
    await putInPlace(incomplete);
  } catch (error) {
    await rm(incomplete, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
}

/**
 * Removes what killed runs left half written where nobody else writes.
 * @param of the file or folder that they wrote. Default: any in the folder
 */
export async function removeLeftovers(folder: string, of?: string): Promise<void> {
  const written = /^(.*)\.\d+-\d+\.incomplete$/;
  for (const name of await readdir(folder)) {
    const target = written.exec(name)?.[1];
    if (target === undefined || (of !== undefined && target !== shortName(of))) continue;
    await rm(join(folder, name), { recursive: true, force: true });
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

/** Removes a file, if there is one. @throws UserError where it cannot be removed */
export const removeFile = (file: string): Promise<void> => writing(file, () => rm(file, { force: true }));

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
      await checkPermission(folder);
      const created = await mkdir(folder, { recursive: true });
      try {
        await checkRoom(join(folder, 'room'));
      } catch (error) {
        removeEmpty(folder, created);
        throw error;
      }
      return created;
    },
    'a folder to write into',
  );
}

/** Whether a place may not be written, which a full disk, say, may be later. @param error of {@link writing} */
export function isReadOnly({ cause }: Error): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/**
 * Removes a folder, and those above it up to `highest`, where they are empty; nothing without `highest`. At once, so that it
 * can be the last work of a process.
 */
export function removeEmpty(folder: string, highest: string | undefined): void {
  if (highest === undefined) return;
  const last = resolve(highest);
  try {
    for (let path = resolve(folder); path.length >= last.length; path = dirname(path)) rmdirSync(path);
  } catch {
    // It is not empty, or gone.
  }
}

/** Checks before long work that a file can be written. @throws UserError where it cannot */
export async function checkWritable(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) throw new UserError(`${file}: is a folder; expected a file to write`);
  if (!found || found.isFile()) await checkRoomBeside(file);
}

/** Checks before long work that something can be written under this name. @throws UserError where it cannot */
export async function checkRoomBeside(path: string): Promise<void> {
  await writing(path, async () => {
    const folder = dirname(path);
    await checkPermission(folder);
    if (await exists(folder)) await checkRoom(path);
  });
}

/** Fails where a path, or the nearest of those above it that exists, is no folder that may be written. */
async function checkPermission(path: string): Promise<void> {
  let folder = resolve(path);
  while (!(await exists(folder)) && dirname(folder) !== folder) folder = dirname(folder);
  // With the dot a file is refused.
  await access(`${folder}/.`, constants.W_OK);
}

/** Enough that it does not fit into a full disk's last block. */
const PROBE = new Uint8Array(8192);

async function checkRoom(path: string): Promise<void> {
  await replaceWhole(
    path,
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
    throw new UserError(`${path}: cannot be written: ${reason}; expected ${expected}`, { cause: error });
  }
}
