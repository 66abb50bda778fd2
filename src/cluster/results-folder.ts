/**
 * The shared folder that results of shards pass through:
 *
 *     <store>/<run>/run.json        who sees it sees the folder
 *     <store>/<run>/<shard>.json    a shard's result, whole
 *
 * A result is written under another name, brought to the disk and renamed. Names come from what a shard computes: of a shard
 * that is computed twice the second result replaces an equal one.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { exists, namesIn } from '../files/read.ts';
import { reasonOf } from '../files/system-error.ts';
import { replaceWhole, writing } from '../files/write-whole.ts';
import type { FailedRow, Run, ShardResult } from './run.ts';

const RUN_FILE = 'run.json';

export class ResultsFolder {
  constructor(readonly path: string) {}

  /** Makes it a run's. */
  async begin(token: string): Promise<void> {
    await writing(this.path, () => mkdir(this.path, { recursive: true }));
    await this.#put(RUN_FILE, JSON.stringify({ token }));
  }

  /** @throws UserError where it is not the folder of the run */
  async check({ token, coordinator, folder }: Pick<Run, 'token' | 'coordinator' | 'folder'>): Promise<void> {
    const text = await readFile(join(this.path, RUN_FILE), 'utf8').catch((error) => {
      throw new UserError(
        `${this.path}: cannot be read here: ${reasonOf(error) ?? error}; expected the shared folder --store of the coordinator ${coordinator}${this.path === folder ? ', at the same path or by --root' : ''}`,
      );
    });
    if (!text.includes(token))
      throw new UserError(
        `${this.path}: is another folder than that of the coordinator ${coordinator}; expected one that is shared`,
      );
  }

  /** Keys of the shards that are done. */
  async keys(): Promise<Set<string>> {
    const names = await namesIn(this.path);
    return new Set(
      names.flatMap((name) => (name.endsWith('.json') && name !== RUN_FILE ? [name.slice(0, -5)] : [])),
    );
  }

  has(key: string): Promise<boolean> {
    return exists(join(this.path, `${key}.json`));
  }

  /** Undefined where it is not whole: another program's, or of a disk that lost it. */
  async read<Result>(key: string, rows: number): Promise<ShardResult<Result> | undefined> {
    try {
      const found = JSON.parse(
        await readFile(join(this.path, `${key}.json`), 'utf8'),
      ) as ShardResult<Result> & { key?: string };
      return found.key === key && found.results.length === rows ? found : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT')
        return undefined;
      throw error;
    }
  }

  /** Writes a shard's result; nothing where the run has ended. */
  async write(key: string, result: ShardResult<object | FailedRow>): Promise<void> {
    if (!(await exists(join(this.path, RUN_FILE)))) return;
    await this.#put(`${key}.json`, JSON.stringify({ key, ...result }));
  }

  remove(key: string): Promise<void> {
    return rm(join(this.path, `${key}.json`), { force: true });
  }

  /** Removes all of it but the lock of the coordinator. */
  async clear(): Promise<void> {
    for (const name of await namesIn(this.path))
      if (/\.(json|incomplete)$/.test(name)) await rm(join(this.path, name), { force: true });
  }

  async #put(name: string, text: string): Promise<void> {
    const path = join(this.path, name);
    await writing(path, () =>
      replaceWhole(path, (incomplete) => writeFile(incomplete, text, { flag: 'wx', flush: true })),
    );
  }
}
