/** A folder that the machines share. What is written into it is written under another name, brought to the disk and renamed. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFolder } from '../files/lock.ts';
import { exists, namesIn } from '../files/read.ts';
import { replaceWhole, writing } from '../files/write-whole.ts';
import type { Store, StoreOptions } from './store.ts';

export class FolderStore implements Store {
  constructor(
    readonly place: string,
    private readonly options: StoreOptions,
  ) {}

  async create(): Promise<void> {
    await writing(this.place, () => mkdir(this.place, { recursive: true }));
  }

  async lock(): Promise<() => Promise<void>> {
    let unlock!: () => void;
    const unlocked = new Promise<void>((resolve) => {
      unlock = resolve;
    });
    let ended!: Promise<void>;
    await new Promise<void>((resolve, reject) => {
      const work = () => {
        resolve();
        return unlocked;
      };
      ended = lockFolder(this.place, work, this.options);
      ended.catch(reject);
    });
    return () => {
      unlock();
      return ended;
    };
  }

  names(): Promise<string[]> {
    return namesIn(this.place);
  }

  has(name: string): Promise<boolean> {
    return exists(join(this.place, name));
  }

  async read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.place, name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async write(name: string, text: string): Promise<void> {
    const path = join(this.place, name);
    await writing(path, () =>
      replaceWhole(path, (incomplete) => writeFile(incomplete, text, { flag: 'wx', flush: true })),
    );
  }

  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) await rm(join(this.place, name), { force: true });
  }
}
