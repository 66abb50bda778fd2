/** Members of tar archives, compressed by gzip or not, in order; small ones can be read as they pass. */
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createTarDecoder, type ParsedTarEntry } from 'modern-tar';
import { UserError } from '../errors.ts';
import { expandedBytes } from '../files/lines.ts';
import { tarMembers } from '../files/tar.ts';

export interface ArchiveMember {
  /** As it stands there. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Its content as UTF-8, to be asked for before the next member; undefined where it is none, or above 16 MiB. */
  readonly text: () => Promise<string | undefined>;
  /** Its content in pieces, likewise. */
  readonly bytes: () => AsyncIterable<Uint8Array>;
}

/** Bytes of a text beside a recording. */
const MAX_TEXT_BYTES = 1 << 24;
const PIECE = 1 << 18;
const EXPECTED = 'a tar archive';

/** Endings of archives that are read. */
export const isArchive = (path: string): boolean => /\.(?:tar|tar\.gz|tgz)$/i.test(path);

/**
 * The members that are files.
 * @throws UserError, after those before it, where the archive is damaged or cut off
 */
export function archiveMembers(path: string): AsyncGenerator<ArchiveMember, void, undefined> {
  return /gz$/i.test(path) ? compressedMembers(path) : plainMembers(path);
}

async function* plainMembers(path: string): AsyncGenerator<ArchiveMember, void, undefined> {
  let handle: FileHandle | undefined;
  const opened = async (): Promise<FileHandle> => (handle ??= await open(path));
  try {
    for await (const { name, offset, size, other } of tarMembers(path)) {
      if (other !== undefined) continue;
      const bytes = async function* (): AsyncGenerator<Uint8Array> {
        const file = await opened();
        for (let done = 0; done < size; ) {
          const { buffer, bytesRead } = await file.read(
            Buffer.allocUnsafe(Math.min(PIECE, size - done)),
            0,
            undefined,
            offset + done,
          );
          if (bytesRead === 0)
            throw new UserError(
              `${path}: found the member ${JSON.stringify(name)} cut off; expected a whole archive`,
            );
          done += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      };
      yield { name, size, bytes, text: () => textOf(bytes(), size) };
    }
  } finally {
    await handle?.close();
  }
}

async function* compressedMembers(path: string): AsyncGenerator<ArchiveMember, void, undefined> {
  const source = Readable.toWeb(Readable.from(expandedBytes(path, EXPECTED))) as ReadableStream<Uint8Array>;
  const entries = source.pipeThrough(createTarDecoder({ strict: true }));
  const reader = (entries as ReadableStream<ParsedTarEntry>).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const { header, body } = value;
      const { name, size } = header;
      let isRead = false;
      const bytes = (): AsyncIterable<Uint8Array> => {
        isRead = true;
        return body as unknown as AsyncIterable<Uint8Array>;
      };
      if (header.type === 'file' || header.type === undefined) {
        yield { name, size, bytes, text: () => textOf(bytes(), size) };
      }
      if (!isRead) await body.cancel();
    }
  } catch (error) {
    if (error instanceof UserError || !(error instanceof Error) || 'syscall' in error) throw error;
    throw new UserError(
      `${path}: found what does not read as tar (${error.message.split('\n')[0]!.slice(0, 120)}); expected ${EXPECTED}`,
    );
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function textOf(bytes: AsyncIterable<Uint8Array>, size: number): Promise<string | undefined> {
  if (size > MAX_TEXT_BYTES) return undefined;
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces));
  } catch {
    return undefined;
  }
}
