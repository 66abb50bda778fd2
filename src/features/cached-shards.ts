/** The shards of a cache folder: whose outputs they hold, how large they are, when they were used, whether they are written. */
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { keptArchives } from '../audio/gunzipped.ts';
import { UserError } from '../errors.ts';
import { largest, smallest } from '../extremes.ts';
import { readText } from '../files/read.ts';
import { HEADER_BYTES, indexOf, isBeingWritten, readAllHeaders, writerOf } from './shards.ts';

/** Folder of what is known of recordings (recording-memo.ts): small, and of use to every encoder. */
export const RECORDINGS = 'recordings';
/** Folder of decompressed archives (audio/gunzipped.ts). */
export const ARCHIVES = 'archives';
/** Beside the shards of an encoder's outputs: what the encoder is, for people. */
export const ABOUT_FILE = 'about.json';

export interface CachedShard {
  readonly path: string;
  /** Path of its folder in the cache: `<encoder>-fit-3`, `recordings/contents`. */
  readonly store: string;
  /** With its index. */
  readonly bytes: number;
  /** When it was begun, and last written or read (to an hour), ms since 1970. */
  readonly begun: number;
  readonly used: number;
  /** Of those that its process wrote into the folder. */
  readonly isNewest: boolean;
}

/** Shards of a cache, oldest first. */
export async function cachedShards(cache: string): Promise<CachedShard[]> {
  const names = (await readdir(cache, { recursive: true }).catch(() => [])).filter((name) =>
    writerOf(basename(name)),
  );
  names.sort((a, b) => (basename(a) < basename(b) ? -1 : 1));
  const newest = new Map(names.map((name) => [writerKey(name), name]));
  const shards: CachedShard[] = [];
  for (const name of names) {
    const path = join(cache, name);
    // Another process may drop it meanwhile.
    const [shard, index] = await Promise.all(
      [path, indexOf(path)].map((file) => stat(file).catch(() => undefined)),
    );
    if (!shard) continue;
    shards.push({
      path,
      store: dirname(name).replaceAll('\\', '/'),
      bytes: shard.size + (index?.size ?? 0),
      begun: Number.parseInt(basename(name).slice(0, 9), 36),
      used: Math.max(shard.mtimeMs, index?.mtimeMs ?? 0),
      isNewest: newest.get(writerKey(name)) === name,
    });
  }
  return shards;
}

/** The same of a cache that must be there. @throws UserError where it is not */
export async function shardsOf(cache: string): Promise<CachedShard[]> {
  if (!(await stat(cache).catch(() => undefined))?.isDirectory()) {
    throw new UserError(`${cache}: found no such folder; expected a cache`);
  }
  return cachedShards(cache);
}

export const isOfRecordings = ({ store }: CachedShard): boolean => store.split('/')[0] === RECORDINGS;

/** Whether a process that lives may write into it: the newest of those that it began. */
export const isInUse = async ({ path, isNewest }: CachedShard): Promise<boolean> =>
  isNewest && (await isBeingWritten(path));

export async function removeShard(path: string): Promise<void> {
  // The index last: without its shard it is nothing, and a shard without its index would be scanned.
  await rm(path, { force: true });
  await rm(indexOf(path), { force: true });
}

const writerKey = (name: string): string =>
  `${dirname(name)} ${basename(name).split('-').slice(1, 3).join('-')}`;

/** What a cache holds of one encoder in one kind of window and number format, of recordings, or of a decompressed archive. */
export interface CachedStore {
  /** Path of its folder in the cache. */
  readonly store: string;
  /** Model directory that it was first filled from; '' where that is not known. */
  readonly model: string;
  readonly window: string;
  readonly dtype: string;
  /** NaN of an archive. */
  readonly clips: number;
  readonly shards: number;
  readonly bytes: number;
  readonly begun: number;
  readonly used: number;
}

/** What a cache holds, the last used first. Layers of an encoder are one store. @throws UserError where there is no cache */
export async function cachedStores(cache: string): Promise<CachedStore[]> {
  const stores = new Map<string, CachedShard[]>();
  for (const shard of await shardsOf(cache)) {
    const name = shard.store.replace(/-layers\/\d+$/, '-layers');
    stores.set(name, [...(stores.get(name) ?? []), shard]);
  }
  const found: CachedStore[] = [];
  for (const [store, shards] of stores) {
    const [, window = '', dtype = ''] = /-(fit|full)-\d+(?:-(int8|layers))?$/.exec(store) ?? [];
    // Each layer has all the clips.
    const counted = shards.filter((one) => one.store === shards[0]!.store);
    let headerBytes = 0;
    for (const { path } of counted) await readAllHeaders(path, ({ length }) => (headerBytes += length));
    found.push({
      store,
      model: await modelOf(join(cache, store)),
      window,
      dtype: window === '' ? '' : dtype === 'layers' ? 'float16, all layers' : dtype || 'float16',
      clips: headerBytes / HEADER_BYTES,
      shards: shards.length,
      bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0),
      begun: smallest(shards, (one) => one.begun),
      used: largest(shards, (one) => one.used),
    });
  }
  for (const { path, ...archive } of await keptArchives(join(cache, ARCHIVES))) {
    found.push({
      ...{
        store: `${ARCHIVES}/${basename(path)}`,
        model: '',
        window: '',
        dtype: '',
        clips: Number.NaN,
        shards: 0,
      },
      ...archive,
    });
  }
  return found.sort((a, b) => b.used - a.used);
}

async function modelOf(folder: string): Promise<string> {
  try {
    const { model } = JSON.parse(await readText(join(folder, ABOUT_FILE), 'JSON', 1 << 20)) as {
      model: unknown;
    };
    return typeof model === 'string' ? model : '';
  } catch {
    return '';
  }
}
