import { readFileSync, statSync } from 'node:fs';
import { UserError } from '../errors.ts';
import { trimEnd } from '../language/whitespace.ts';

/** 1 GiB: tens of millions of sentences; more is another kind of file given by mistake. */
const MAX_BYTES = 2 ** 30;
/** Alignment takes time with the square of a line, so a file without line breaks must not be scored as one. */
const MAX_LINE_BYTES = 100_000;

/** @throws UserError when the file cannot be read or is larger than any text to score */
function readBytes(file: string): Buffer {
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES)
      throw new UserError(`${file} has ${size} bytes; at most ${MAX_BYTES} can be scored.`);
    return readFileSync(file);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `Cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}.`,
    );
  }
}

/**
 * The whole of a text file, less a byte order mark.
 * @throws UserError when the file cannot be read or is not UTF-8
 */
export function readText(file: string): string {
  const bytes = readBytes(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${file}: not valid UTF-8.`);
  }
}

/**
 * Reads a sentence a line as sacreBLEU does: only `\n` ends a line, white space at the end of a line (so `\r` too) is
 * dropped, a final `\n` begins no further line, blank lines count. Unlike there, a byte order mark is skipped.
 * @throws UserError when the file cannot be read, is empty, is not UTF-8 or has an absurdly long line
 */
export function readSentences(file: string): string[] {
  const bytes = readBytes(file);
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
