/**
 * Results of a run's shards, in a store that coordinator and workers share:
 *
 *     <store>/<run>/run.json        who sees it sees the store
 *     <store>/<run>/<shard>.json    a shard's result, whole
 *
 * Names come from what a shard computes: of a shard that is computed twice the second result replaces an equal one.
 */
import { UserError } from '../errors.ts';
import { reasonOf } from '../files/system-error.ts';
import type { FailedRow, Run, ShardResult } from './run.ts';
import type { Store } from './store.ts';

const RUN_FILE = 'run.json';

export class Results {
  constructor(readonly store: Store) {}

  /** Makes the store a run's. @throws UserError where it cannot be written */
  async begin(token: string): Promise<void> {
    await this.store.create();
    await this.store.write(RUN_FILE, JSON.stringify({ token }));
  }

  /** @throws UserError where the store is not that of the run */
  async check({
    token,
    coordinator,
    place: theirs,
  }: Pick<Run, 'token' | 'coordinator' | 'place'>): Promise<void> {
    const { place } = this.store;
    const isSamePath = place === theirs && !place.startsWith('s3:');
    const unseen = (reason: string) =>
      new UserError(
        `${place}: cannot be read here: ${reason}; expected the store of the coordinator ${coordinator}, which is shared${isSamePath ? ', at the same path or by --root' : ''}`,
      );
    const text = await this.store.read(RUN_FILE).catch((error) => {
      throw error instanceof UserError ? error : unseen(reasonOf(error) ?? String(error));
    });
    if (text === undefined) throw unseen('there is no such run');
    if (!text.includes(token))
      throw new UserError(
        `${place}: is another store than that of the coordinator ${coordinator}; expected one that is shared`,
      );
  }

  /** Keys of the shards that are done. */
  async keys(): Promise<Set<string>> {
    const names = await this.store.names();
    return new Set(
      names.flatMap((name) => (name.endsWith('.json') && name !== RUN_FILE ? [name.slice(0, -5)] : [])),
    );
  }

  has(key: string): Promise<boolean> {
    return this.store.has(nameOf(key));
  }

  /** Undefined where it is not whole: another program's, or of a disk that lost it. */
  async read<Result>(key: string, rows: number): Promise<ShardResult<Result> | undefined> {
    const text = await this.store.read(nameOf(key));
    if (text === undefined) return undefined;
    try {
      const found = JSON.parse(text) as ShardResult<Result> & { key?: string };
      return found.key === key && found.results.length === rows ? found : undefined;
    } catch {
      return undefined;
    }
  }

  /** Writes a shard's result; nothing where the run has ended. */
  async write(key: string, result: ShardResult<object | FailedRow>): Promise<void> {
    if (!(await this.store.has(RUN_FILE))) return;
    await this.store.write(nameOf(key), JSON.stringify({ key, ...result }));
  }

  remove(key: string): Promise<void> {
    return this.store.remove([nameOf(key)]);
  }

  /** Removes all that is the run's. */
  async clear(): Promise<void> {
    const names = await this.store.names();
    await this.store.remove(names.filter((name) => /\.(json|incomplete)$/.test(name)));
  }
}

const nameOf = (key: string): string => `${key}.json`;
