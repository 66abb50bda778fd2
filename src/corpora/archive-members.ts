/** Members of tar archives, compressed by gzip or not, in order; small ones can be read as they pass. */
import { reasonOf, UserError } from '../errors.ts';
import { isGzipped, type PassedMember, tarMembers } from '../files/tar.ts';
import type { Reading } from './corpus.ts';

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

/**
 * The members that are files. Where a tar is cut off or damaged after some of them, that is reported, and they count.
 * @throws UserError for an archive in gzip that is damaged, as no member of it can be read in place; for what is no tar
 */
export async function* archiveMembers(
  path: string,
  { skip }: Pick<Reading, 'skip'>,
): AsyncGenerator<ArchiveMember, void, undefined> {
  let some = false;
  const members = tarMembers(path);
  try {
    for (;;) {
      let next: IteratorResult<PassedMember, void>;
      try {
        next = await members.next();
      } catch (error) {
        if (!some || isGzipped(path) || !(error instanceof UserError)) throw error;
        skip(path, DAMAGED, reasonOf(path, error));
        return;
      }
      if (next.done) return;
      some = true;
      const { name, size, other, content } = next.value;
      if (other === undefined) yield { name, bytes: content, text: () => textOf(content(), size) };
    }
  } finally {
    await members.return();
  }
}

/** Reason of an archive that is read up to its damage. */
const DAMAGED = 'an archive that is cut off or damaged';

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
