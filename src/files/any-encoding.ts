/** Text of unknown encoding, found by its bytes. */
import { UserError } from '../errors.ts';
import { readBytes } from './read.ts';

export interface DecodedText {
  readonly text: string;
  /** `Latin-1 (Windows-1252)` is a guess: nothing in the bytes says so. */
  readonly encoding: 'UTF-8' | 'UTF-16' | 'Latin-1 (Windows-1252)';
}

/** Of the bytes of a text, those that are 0 in one half of UTF-16. */
const MOST_ZEROS = 0.3;
const HEAD_BYTES = 4096;

/**
 * Reads a text in UTF-8 or UTF-16, with a byte order mark or without, or else in Latin-1. Lines end in `\n`.
 * @param expected description of the expected file
 * @throws UserError where it does not open, is larger than `maxBytes`, or is no text
 */
export async function readAnyText(file: string, expected: string, maxBytes: number): Promise<DecodedText> {
  const bytes = await readBytes(file, expected, maxBytes);
  const found = decodeText(bytes);
  if (found === undefined) {
    throw new UserError(
      `${file}: found bytes that are no text in UTF-8, UTF-16 or Latin-1; expected ${expected}`,
    );
  }
  return { ...found, text: found.text.replace(/\r\n?/g, '\n') };
}

/** Undefined: no text. */
function decodeText(bytes: Uint8Array): DecodedText | undefined {
  const label = utf16Of(bytes);
  if (label !== undefined) {
    if (bytes.length % 2 === 1) return undefined;
    const text = decoded(bytes, label);
    return text === undefined ? undefined : { text, encoding: 'UTF-16' };
  }
  const utf8 = decoded(bytes, 'utf-8');
  if (utf8 !== undefined) return utf8.includes('\0') ? undefined : { text: utf8, encoding: 'UTF-8' };
  // Bytes that no text has: control characters.
  if (bytes.some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27))) return undefined;
  const text = decoded(bytes, 'windows-1252');
  return text === undefined ? undefined : { text, encoding: 'Latin-1 (Windows-1252)' };
}

function utf16Of(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  const head = bytes.subarray(0, HEAD_BYTES);
  const zeros = [0, 0];
  for (let i = 0; i < head.length; i++) if (head[i] === 0) zeros[i % 2]!++;
  const [even, odd] = zeros.map((count) => count / (head.length / 2)) as [number, number];
  if (odd > MOST_ZEROS && even < odd / 10) return 'utf-16le';
  if (even > MOST_ZEROS && odd < even / 10) return 'utf-16be';
  return undefined;
}

function decoded(bytes: Uint8Array, label: string): string | undefined {
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
