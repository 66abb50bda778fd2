/** Writes a text file whose first line is known only when the last one is. */
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { textLines } from './lines.ts';
import { removeEmpty, replaceWhole, streamInPieces, writeWhole, writing } from './write-whole.ts';

/**
 * Writes `lines` to a file beside `file`, then `header()` and each of them, as `finish` makes it, to `file`: complete or not
 * at all. Memory is that of a piece.
 *
 * @param lines without line ends, and none in them
 * @throws UserError where it cannot be written; what `lines` throws
 */
export async function writeSpooled(
  file: string,
  lines: AsyncIterable<string>,
  header: () => string,
  finish: (line: string) => string,
): Promise<void> {
  await writing(file, async () => {
    const found = await stat(file).catch(() => undefined);
    const isDevice = found !== undefined && !found.isFile() && !found.isDirectory();
    const created = isDevice ? undefined : await mkdir(dirname(file), { recursive: true });
    try {
      await replaceWhole(
        isDevice ? join(tmpdir(), basename(file)) : file,
        (spool) => writeFile(spool, streamInPieces(lines, withEnd)),
        async (spool) => {
          await writeWhole(file, streamInPieces(finished(spool, header, finish), withEnd));
          await rm(spool);
        },
      );
    } catch (error) {
      removeEmpty(dirname(file), created);
      throw error;
    }
  });
}

async function* finished(
  spool: string,
  header: () => string,
  finish: (line: string) => string,
): AsyncGenerator<string> {
  yield header();
  for await (const { text } of textLines(spool, 'lines')) yield finish(text);
}

const withEnd = (line: string): string => `${line}\n`;
