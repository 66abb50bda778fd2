/** Files of a corpus below its folder. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cannotOpen } from '../files/read.ts';

/** Folders in folders: a corpus has a few. */
const MAX_DEPTH = 12;

/**
 * Paths of the files below a folder that are wanted, sorted. Links to files count, as the hub's cache has them; hidden files
 * and links to folders, which may form a circle, do not.
 */
export async function filesBelow(folder: string, wanted: (path: string) => boolean): Promise<string[]> {
  const found: string[] = [];
  const visit = async (path: string, depth: number): Promise<void> => {
    const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
      if (depth > 0) return [];
      throw cannotOpen(path, error, 'a folder');
    });
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      const file = join(path, entry.name);
      if (entry.isDirectory()) {
        if (depth < MAX_DEPTH) await visit(file, depth + 1);
      } else if (wanted(file)) found.push(file);
    }
  };
  await visit(folder, 0);
  return found.sort();
}
