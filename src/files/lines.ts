/** Reads the lines of a text file of any size, compressed by gzip or not, with memory for one piece of it. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
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
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let number = 0;
  const decoded = (bytes: Uint8Array): string => {
    try {
      return decoder.decode(bytes);
    } catch {
      const before = bytes.subarray(0, firstInvalid(bytes)).filter((byte) => byte === 0x0a).length;
      throw new UserError(
        `${file}:${number + 1 + before}: found bytes that are not UTF-8 text; expected ${expected}`,
      );
    }
  };
  let rest: Buffer[] = [];
  let restBytes = 0;
  const lines = function* (text: string): Generator<Line> {
    let from = number === 0 && text.startsWith('\ufeff') ? 1 : 0;
    while (from < text.length) {
      const found = text.indexOf('\n', from);
      const end = found < 0 ? text.length : found;
      number++;
      yield { text: text.slice(from, text[end - 1] === '\r' && end > from ? end - 1 : end), number };
      from = end + 1;
    }
  };
  for await (const chunk of expandedBytes(file, expected)) {
    const last = chunk.lastIndexOf(0x0a);
    if (last >= 0) {
      const whole = Buffer.concat([...rest, chunk.subarray(0, last + 1)]);
      rest = [];
      restBytes = 0;
      yield* lines(decoded(whole));
    }
    rest.push(chunk.subarray(last + 1));
    restBytes += chunk.length - last - 1;
    if (restBytes > MAX_LINE_BYTES) {
      throw new UserError(
        `${file}:${number + 1}: found a line of more than ${MAX_LINE_BYTES >> 20} MiB; expected ${expected}`,
      );
    }
  }
  yield* lines(decoded(Buffer.concat(rest)));
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
  const source = createReadStream(file, { highWaterMark: 1 << 18 });
  const gunzip = compressed ? createGunzip({ chunkSize: 1 << 18 }) : undefined;
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
    const handle = await open(file);
    try {
      const found = await handle.stat();
      if (found.isDirectory()) throw new UserError(`${file}: found a directory; expected ${expected}`);
      if (!found.isFile()) return { compressed: false, size: 0 };
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
      return { compressed: bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b, size: found.size };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw cannotOpen(file, error, expected);
  }
}
