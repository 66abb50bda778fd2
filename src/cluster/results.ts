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
import type { Roots } from './roots.ts';
import type { FailedRow, Run, ShardResult } from './run.ts';
import { openStore, type Store, type StoreOptions } from './store.ts';

const RUN_FILE = 'run.json';
/** In other folders of a run. */
const markOf = (run: string): string => `.run-${run}.json`;

export class Results {
  constructor(readonly store: Store) {}

  /** Makes the store a run's. @throws UserError where it cannot be written */
  async begin(token: string): Promise<void> {
    await markShared(this.store, RUN_FILE, token);
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

/** Marks what coordinator and workers share. */
async function markShared(store: Store, file: string, token: string): Promise<void> {
  await store.create();
  await store.write(file, JSON.stringify({ token }));
}

/**
 * Marks folders that workers write into, beside the store.
 * @returns the function that removes the marks
 * @throws UserError where one cannot be written
 */
export async function markFolders(
  { id, token, folders }: Pick<Run, 'id' | 'token' | 'folders'>,
  options: StoreOptions,
): Promise<() => Promise<void>> {
  const stores = await Promise.all(folders.map((folder) => openStore(folder, options)));
  for (const store of stores) await markShared(store, markOf(id), token);
  return async () => {
    for (const store of stores) await store.remove([markOf(id)]).catch(() => {});
  };
}

/**
 * The store of a run as this worker sees it.
 * @throws UserError where it, or another folder of the run, is not the one that the coordinator sees
 */
export async function sharedResults(run: Run, roots: Roots, options: StoreOptions): Promise<Results> {
  const check = async (theirs: string, file: string): Promise<Store> => {
    const store = await openStore(roots.here(theirs), options);
    const { place } = store;
    const isSamePath = place === theirs && !place.startsWith('s3:');
    const unseen = (reason: string) =>
      new UserError(
        `${place}: cannot be read here: ${reason}; expected what the coordinator ${run.coordinator} has there, which is shared${isSamePath ? ', at the same path or by --root' : ''}`,
      );
    const text = await store.read(file).catch((error) => {
      throw error instanceof UserError ? error : unseen(reasonOf(error) ?? String(error));
    });
    if (text === undefined) throw unseen('there is no such run');
    if (!text.includes(run.token))
      throw new UserError(
        `${place}: is not the one of the coordinator ${run.coordinator}; expected one that is shared`,
      );
    return store;
  };
  for (const folder of run.folders) await check(folder, markOf(run.id));
  return new Results(await check(run.place, RUN_FILE));
}
