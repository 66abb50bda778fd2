/** Writes files and folders atomically: each is complete, or as it was before. */
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../errors.ts';

/** Content for `writeFile`; an iterable of strings where the whole exceeds the longest string. */
export type Content = string | Uint8Array | Iterable<string | Uint8Array>;

/**
 * Calls `write` with a temporary name beside `target`, then renames the result. On failure nothing is left of it.
 */
export async function replaceWhole(
  target: string,
  write: (incomplete: string) => Promise<void>,
  putInPlace: (incomplete: string) => Promise<void> = (incomplete) => rename(incomplete, target),
): Promise<void> {
  const incomplete = `${target}.incomplete`;
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

/** Creates a folder if missing; call it before long work. @throws UserError where it cannot be created */
export async function createFolder(folder: string): Promise<void> {
  await writing(folder, () => mkdir(folder, { recursive: true }), 'a folder to write into');
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
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof UserError || code === undefined) throw error;
    throw new UserError(`${path}: cannot be written (${code}); expected ${expected}`);
  }
}
