/** Reading files that a user names: what is not there, or is something else, is one line. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { UserError } from '../errors.ts';

/** 1 GiB: tens of millions of sentences; more is another kind of file given by mistake. */
const MAX_BYTES = 2 ** 30;

/**
 * The line for a path that does not open; other errors stay as they are.
 * @param expected what should be there
 */
export function cannotOpen(path: string, error: unknown, expected: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof UserError || code === undefined) return error;
  return new UserError(`${path}: found ${reasonNotOpened(code)}; expected ${expected}`);
}

export function reasonNotOpened(code: string): string {
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'no such file';
  if (code === 'EACCES' || code === 'EPERM') return `a file that may not be read (${code})`;
  return `a file that does not open (${code})`;
}

export async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** @throws UserError where the file cannot be read or is larger than any text */
export async function readBytes(file: string, expected: string, maxBytes = MAX_BYTES): Promise<Buffer> {
  try {
    const found = await stat(file);
    if (!found.isFile() && !found.isFIFO()) {
      const what = found.isDirectory() ? 'a directory' : 'a device';
      throw new UserError(`${file}: found ${what}; expected ${expected}`);
    }
    if (found.size > maxBytes) {
      throw new UserError(`${file}: found ${found.size} bytes; expected ${expected}, of at most ${maxBytes}`);
    }
    return await readFile(file);
  } catch (error) {
    throw cannotOpen(file, error, expected);
  }
}

/**
 * A whole text file, without a byte order mark.
 * @throws UserError where the file cannot be read or is not UTF-8
 */
export async function readText(file: string, expected: string, maxBytes?: number): Promise<string> {
  const bytes = await readBytes(file, expected, maxBytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${file}: found bytes that are not UTF-8 text; expected ${expected}`);
  }
}

/** @throws UserError where the file cannot be read or is no JSON */
export async function readJson(file: string, expected: string, maxBytes?: number): Promise<unknown> {
  const text = await readText(file, expected, maxBytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = (error as Error).message.replace(/\s+/g, ' ');
    const place = /position (\d+)/.exec(message);
    const line = place ? `:${text.slice(0, Number(place[1])).split('\n').length}` : '';
    throw new UserError(`${file}${line}: not JSON (${message}); expected ${expected}`);
  }
}

/** Names in a folder, in order; none where there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

/** Names in a folder. @throws UserError where it cannot be read */
export async function listFolder(folder: string, expected: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw cannotOpen(folder, error, expected);
  }
}
