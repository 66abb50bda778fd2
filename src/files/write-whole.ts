/** Writes files and folders so that each is there whole, or is what it was before. */
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../errors.ts';

/** What `writeFile` takes; strings one after the other where all together are longer than a string can be. */
export type Content = string | Uint8Array | Iterable<string | Uint8Array>;

/**
 * Lets `write` make a file or folder under a temporary name beside `target`, then renames it. Where that fails nothing
 * is left of it.
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

/** Writes a file, and the folders above it where they are missing. @throws UserError where it cannot be written */
export async function writeWhole(file: string, content: Content): Promise<void> {
  await writing(file, async () => {
    await mkdir(dirname(file), { recursive: true });
    // /dev/stdout is to be written to, not replaced.
    const found = await stat(file).catch(() => undefined);
    if (found && !found.isFile() && !found.isDirectory()) await writeFile(file, content);
    else await replaceWhole(file, (incomplete) => writeFile(incomplete, content));
  });
}

/** Indented JSON, as people read it. @throws UserError where it cannot be written */
export function writeJson(file: string, value: unknown, indent = 2): Promise<void> {
  return writeWhole(file, `${JSON.stringify(value, null, indent)}\n`);
}

/** Writes files by name into a folder. @throws UserError where one cannot be written */
export async function writeFiles(folder: string, files: Readonly<Record<string, Content>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeWhole(join(folder, name), content);
}

/** Makes a folder where there is none, before any long work. @throws UserError where it cannot be made */
export async function makeFolder(folder: string): Promise<void> {
  await writing(folder, () => mkdir(folder, { recursive: true }), 'a folder to write into');
}

/**
 * Does work that writes.
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
