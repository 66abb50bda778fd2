/** Members of tar archives, compressed by gzip or not, in order; small ones can be read as they pass. */
import { tarMembers } from '../files/tar.ts';

export interface ArchiveMember {
  /** As it stands there. */
  readonly name: string;
  /** Its content as UTF-8, to be asked for before the next member; undefined where it is none, or above 16 MiB. */
  readonly text: () => Promise<string | undefined>;
  /** Its content in pieces, likewise. */
  readonly bytes: () => AsyncIterable<Uint8Array>;
}

/** Bytes of a text beside a recording. */
const MAX_TEXT_BYTES = 1 << 24;

/** Endings of archives that are read. */
export const isArchive = (path: string): boolean => /\.(?:tar|tar\.gz|tgz)$/i.test(path);

/**
 * The members that are files.
 * @throws UserError, after those before it, where the archive is damaged or cut off
 */
export async function* archiveMembers(path: string): AsyncGenerator<ArchiveMember, void, undefined> {
  for await (const { name, size, other, content } of tarMembers(path)) {
    if (other === undefined) yield { name, bytes: content, text: () => textOf(content(), size) };
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
