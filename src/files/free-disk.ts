/** Free space on the disk of a folder. */
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Bytes that a user may still write, at the nearest folder that exists; NaN where the system does not say. */
export async function freeDisk(folder: string): Promise<number> {
  const found = await statfs(folder).catch(() => undefined);
  if (found) return found.bavail * found.bsize;
  const above = dirname(resolve(folder));
  return above === resolve(folder) ? Number.NaN : freeDisk(above);
}
