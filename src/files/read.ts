/** Reads files that a user names: a missing or unsuitable one is an error of one line. */
import type { Stats } from 'node:fs';
import { type FileHandle, open, readdir, readFile, stat } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { trimEnd } from '../language/whitespace.ts';

/** 1 GiB: tens of millions of sentences; more is another kind of file given by mistake. */
const MAX_BYTES = 2 ** 30;
/** Alignment takes time with the square of a line, so a file without line breaks must not be scored as one. */
const MAX_LINE_BYTES = 100_000;

/**
 * The UserError for a path that does not open; other errors are returned unchanged.
 * @param expected description of the expected file
 */
export function cannotOpen(path: string, error: unknown, expected: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof UserError || code === undefined) return error;
  return new UserError(`${path}: found ${reasonNotOpened(code)}; expected ${expected}`);
}

function reasonNotOpened(code: string): string {
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'no such file';
  if (code === 'EACCES' || code === 'EPERM') return `a file that may not be read (${code})`;
  return `a file that does not open (${code})`;
}

export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/**
 * Opens a file that is read at any place.
 * @throws UserError where it does not open, or is a directory, a device or a pipe
 */
export async function openFile(
  path: string,
  expected: string,
): Promise<{ handle: FileHandle; found: Stats }> {
  try {
    // Before opening: to open a pipe would wait for its writer.
    const found = await stat(path);
    if (!found.isFile()) {
      const what = found.isDirectory() ? 'a directory' : 'a device or pipe';
      throw new UserError(`${path}: found ${what}; expected ${expected}`);
    }
    return { handle: await open(path), found };
  } catch (error) {
    throw cannotOpen(path, error, expected);
  }
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

/**
 * Reads a sentence a line as sacreBLEU does: only `\n` ends a line, white space at the end of a line (so `\r` too) is
 * dropped, a final `\n` begins no further line, blank lines count. Unlike there, a byte order mark is skipped.
 * @throws UserError when the file cannot be read, is empty, is not UTF-8 or has an absurdly long line
 */
export async function readSentences(file: string): Promise<string[]> {
  const bytes = await readBytes(file, 'text with one sentence per line');
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const lines: string[] = [];
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (start < bytes.length) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline;
    const where = `${file}, line ${lines.length + 1}`;
    if (end - start > MAX_LINE_BYTES) {
      throw new UserError(`${where}: ${end - start} bytes are no sentence; expected one sentence per line.`);
    }
    try {
      lines.push(trimEnd(decoder.decode(bytes.subarray(start, end))));
    } catch {
      throw new UserError(`${where}: not valid UTF-8; expected UTF-8 text with one sentence per line.`);
    }
    start = end + 1;
  }
  if (lines.length === 0) throw new UserError(`${file} is empty; expected one sentence per line.`);
  return lines;
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
