/** Audio files below a folder, by their extensions. */
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { UserError } from '../errors.ts';

/** Extensions of recordings in a folder; a file that is named itself may have any. */
const AUDIO_EXTENSIONS = ['.wav', '.flac', '.ogg', '.oga', '.opus', '.mp3'];

/**
 * Audio files of a folder and those below it, by path. Skips hidden files (macOS writes ._talk.wav beside
 * talk.wav) and links to folders, which may be circular.
 *
 * @throws UserError when there are none, or a folder does not open
 */
export async function recordingsIn(folder: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [folder];
  for (const current of folders) {
    const entries = await readdir(current, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      throw new UserError(
        `${current}: found a folder that does not open (${error.code}); expected recordings`,
      );
    });
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      const path = join(current, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (
        AUDIO_EXTENSIONS.includes(extname(entry.name).toLowerCase()) &&
        !(await isLinkToFolder(path, entry))
      )
        files.push(path);
    }
  }
  // By code units, so that the order is the same in every locale.
  if (files.length === 0)
    throw new UserError(
      `${folder}: found no recordings; expected files named ${AUDIO_EXTENSIONS.join(', ')}`,
    );
  return files.sort();
}

async function isLinkToFolder(path: string, entry: { isSymbolicLink(): boolean }): Promise<boolean> {
  if (!entry.isSymbolicLink()) return false;
  // A broken link is kept: reading it reports it.
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
