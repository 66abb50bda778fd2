/** Names of the members of an archive. */
import { Readable } from 'node:stream';
import { createTarDecoder } from 'modern-tar';
import { expandedBytes } from '../files/lines.ts';

/** Members that are files, in order. @throws UserError where the archive cannot be read */
export async function* tarMembers(archive: string): AsyncGenerator<string> {
  const bytes = Readable.toWeb(Readable.from(expandedBytes(archive, 'a tar archive')));
  const entries = (bytes as ReadableStream<Uint8Array>).pipeThrough(createTarDecoder());
  for await (const { header, body } of entries) {
    await body.cancel();
    if (header.type === 'file' || header.type === undefined) yield header.name;
  }
}
