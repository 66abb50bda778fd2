/** Reads the lines of a text file of any size, compressed by gzip or not, with memory for one piece of it. */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UserError } from '../errors.ts';
import { cannotOpen } from './read.ts';

/** Bytes of a line. A longer one is another kind of file given by mistake. */
const MAX_LINE_BYTES = 1 << 24;
/** Text is a few times smaller under gzip. What grows a thousandfold was made to fill memory or time. */
const MAX_EXPANSION = 200;
/** Bytes that may be expanded at any rate. */
const FREE_EXPANSION = 1 << 26;

/** Bytes that are read at once. */
const PIECE = 1 << 18;

export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/**
 * The lines of a UTF-8 text, without their ends (`\n` or `\r\n`) and without a byte order mark; a final line end begins no
 * further line. Whether it is compressed is seen by its first bytes.
 *
 * @param expected description of the expected file, for messages
 * @throws UserError where the file does not open, is damaged, is not UTF-8, or has a line above 16 MiB
 */
export async function* textLines(file: string, expected: string): AsyncGenerator<Line, void, undefined> {
  const lines = function* ({ text, line }: Piece): Generator<Line> {
    let number = line;
    for (let from = 0; from < text.length; number++) {
      const found = text.indexOf('\n', from);
      const end = found < 0 ? text.length : found;
      yield { text: text.slice(from, text[end - 1] === '\r' && end > from ? end - 1 : end), number };
      from = end + 1;
    }
  };
  for await (const piece of textPieces(file, expected)) yield* lines(piece);
}

/** Whole lines, with their ends. */
export interface Piece {
  readonly text: string;
  /** Number of the first line, from 1. */
  readonly line: number;
}

/** The same text in pieces of some hundred kilobytes that end where a line does; see textLines. */
export async function* textPieces(file: string, expected: string): AsyncGenerator<Piece, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let line = 1;
  const decoded = (bytes: Uint8Array): Piece => {
    const first = line;
    line += lineEnds(bytes);
    try {
      const text = decoder.decode(bytes);
      return { text: first === 1 && text.startsWith('\ufeff') ? text.slice(1) : text, line: first };
    } catch {
      const at = first + lineEnds(bytes.subarray(0, firstInvalid(bytes)));
      throw new UserError(`${file}:${at}: found bytes that are not UTF-8 text; expected ${expected}`);
    }
  };
  let rest: Buffer[] = [];
  let restBytes = 0;
  let isFirst = true;
  for await (const chunk of expandedBytes(file, expected)) {
    if (isFirst) checkUtf16(chunk, file, expected);
    isFirst = false;
    const last = chunk.lastIndexOf(0x0a);
    if (last >= 0) {
      const whole = Buffer.concat([...rest, chunk.subarray(0, last + 1)]);
      rest = [];
      restBytes = 0;
      yield decoded(whole);
    }
    rest.push(chunk.subarray(last + 1));
    restBytes += chunk.length - last - 1;
    if (restBytes > MAX_LINE_BYTES) {
      throw new UserError(
        `${file}:${line}: found a line of more than ${MAX_LINE_BYTES >> 20} MiB; expected ${expected}`,
      );
    }
  }
  if (restBytes > 0) yield decoded(Buffer.concat(rest));
}

/** Number of line ends. */
function lineEnds(bytes: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] === 0x0a) count++;
  return count;
}

/** @throws UserError where a text begins with UTF-16's byte order mark, or its first letters are UTF-16 */
function checkUtf16(bytes: Uint8Array, file: string, expected: string): void {
  const [first, second, third, fourth] = bytes;
  const hasMark = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  const little = first !== 0 && second === 0 && third !== 0 && fourth === 0;
  const big = first === 0 && second !== 0 && third === 0 && fourth !== 0;
  if (hasMark || (bytes.length >= 4 && (little || big)))
    throw new UserError(`${file}: found UTF-16 text; expected ${expected}, in UTF-8`);
}

/** The place of the first byte that is not UTF-8. */
function firstInvalid(bytes: Uint8Array): number {
  let [valid, invalid] = [0, bytes.length];
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1;
    try {
      // As a stream: a character may be cut there.
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      valid = middle;
    } catch {
      invalid = middle;
    }
  }
  return valid;
}

/**
 * The bytes of a file, expanded where it is gzip.
 * @throws UserError where it does not open, is damaged, or expands without end
 */
export async function* expandedBytes(file: string, expected: string): AsyncGenerator<Buffer> {
  const { compressed, size } = await look(file, expected);
  // A buffer of that size is made anew for each read.
  const source = createReadStream(file, { highWaterMark: size === 0 ? PIECE : Math.min(PIECE, size + 1) });
  const gunzip = compressed ? createGunzip({ chunkSize: PIECE }) : undefined;
  // An error of the file ends the expanding, too.
  const stream: Readable = gunzip
    ? source.on('error', (error) => gunzip.destroy(error)).pipe(gunzip)
    : source;
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (compressed && bytes > FREE_EXPANSION && bytes > MAX_EXPANSION * size) {
        throw new UserError(
          `${file}: expands to more than ${MAX_EXPANSION} times its ${size} bytes; expected ${expected}`,
        );
      }
      yield chunk;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_'))
      throw new UserError(`${file}: found damaged gzip data (${message}); expected ${expected}`);
    throw cannotOpen(file, error, expected);
  } finally {
    source.destroy();
    stream.destroy();
  }
}

async function look(file: string, expected: string): Promise<{ compressed: boolean; size: number }> {
  try {
    // Before opening: a pipe that is opened and closed is lost.
    const found = await stat(file);
    if (found.isDirectory()) throw new UserError(`${file}: found a directory; expected ${expected}`);
    if (!found.isFile()) return { compressed: false, size: 0 };
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
      return { compressed: bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b, size: found.size };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw cannotOpen(file, error, expected);
  }
}
