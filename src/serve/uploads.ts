/**
 * The folder where recordings lie while they are transcribed: the server's own, readable by nobody else, with names that no
 * request chooses. A file goes with its request, the folder with the server; what a killed one left, the next one removes.
 */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writing } from '../files/write-whole.ts';

const PREFIX = 'whisper-transfer-serve-';
const NAME = new RegExp(`^${PREFIX}(\\d+)-\\w+$`);

/** Folders of this process: it may run several servers. */
const open = new Set<string>();

export class Uploads {
  readonly #removeAtExit: () => void;

  private constructor(readonly folder: string) {
    this.#removeAtExit = () => rmSync(folder, { recursive: true, force: true });
    process.once('exit', this.#removeAtExit);
  }

  /** @throws UserError where the system's folder for temporary files cannot be written */
  static async create(parent: string = tmpdir()): Promise<Uploads> {
    return writing(parent, async () => {
      await removeAbandoned(parent);
      const folder = await mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
      open.add(folder);
      return new Uploads(folder);
    });
  }

  /** The path of a file that is not there yet. */
  newPath(): string {
    return join(this.folder, randomUUID());
  }

  async remove(path: string): Promise<void> {
    await rm(path, { force: true });
  }

  async close(): Promise<void> {
    process.off('exit', this.#removeAtExit);
    await rm(this.folder, { recursive: true, force: true });
    open.delete(this.folder);
  }
}

/** Removes the folders of servers that are gone. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = NAME.exec(name)?.[1];
    const folder = join(parent, name);
    if (pid === undefined || open.has(folder)) continue;
    // In a container every server may have the same id; then this process is the one that has it.
    if (Number(pid) !== process.pid && isRunning(Number(pid))) continue;
    const found = await lstat(folder).catch(() => undefined);
    // Others may have folders of such a name.
    if (!found?.isDirectory() || (process.getuid && found.uid !== process.getuid())) continue;
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
