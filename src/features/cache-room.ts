/** The size limit of a cache folder: the oldest shards are dropped, whole, to make room for new ones. */
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isBeingWritten, SHARD_BYTES, writerOf } from './shards.ts';

/** Shards in a limited cache are a small part of it, so that little is dropped at a time. */
const SHARDS_PER_LIMIT = 16;

export class CacheRoom {
  /** Shards that this run has read or written. */
  readonly #used = new Set<string>();
  /** Undefined until it has been counted. */
  #bytes: number | undefined;
  #isFull = false;

  constructor(
    readonly cache: string,
    /** Bytes. */
    readonly limit: number,
    private readonly onFull: () => void,
  ) {}

  get shardBytes(): number {
    return Math.min(SHARD_BYTES, this.limit / SHARDS_PER_LIMIT);
  }

  /** Keeps a shard from being dropped by this run: dropping what it still needs would only encode it again. */
  use(path: string): void {
    this.#used.add(path);
  }

  /** Makes room by dropping the oldest shards. @returns whether there is room */
  async reserve(bytes: number): Promise<boolean> {
    if (this.#isFull) return false;
    this.#bytes ??= await this.#makeRoom(0);
    if (this.#bytes + bytes > this.limit) this.#bytes = await this.#makeRoom(bytes);
    if (this.#bytes + bytes > this.limit) {
      this.#isFull = true;
      this.onFull();
      return false;
    }
    this.#bytes += bytes;
    return true;
  }

  /** @returns bytes of the cache afterwards */
  async #makeRoom(bytes: number): Promise<number> {
    const shards = await shardsIn(this.cache);
    let total = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    for (const { path, bytes: own, isNewest } of shards) {
      if (total + bytes <= this.limit) break;
      if (this.#used.has(path) || (isNewest && (await isBeingWritten(path)))) continue;
      // The index last: without its shard it is nothing, and a shard without its index would be scanned.
      await rm(path, { force: true });
      await rm(path.replace(/shard$/, 'index'), { force: true });
      total -= own;
    }
    return total;
  }
}

interface FoundShard {
  readonly path: string;
  /** With its index. */
  readonly bytes: number;
  /** Of those that its process wrote into the folder. */
  readonly isNewest: boolean;
}

/** Shards of encoder outputs, oldest first. */
async function shardsIn(cache: string): Promise<FoundShard[]> {
  const names = (await readdir(cache, { recursive: true }).catch(() => [])).filter(
    (name) => writerOf(basename(name)) && dirname(name) !== RECORDINGS,
  );
  names.sort((a, b) => (basename(a) < basename(b) ? -1 : 1));
  const newest = new Map(names.map((name) => [writerKey(name), name]));
  const shards: FoundShard[] = [];
  for (const name of names) {
    const path = join(cache, name);
    // Another process may drop it meanwhile.
    const size = async (file: string) => (await stat(file).catch(() => undefined))?.size ?? 0;
    const bytes = (await size(path)) + (await size(path.replace(/shard$/, 'index')));
    shards.push({ path, bytes, isNewest: newest.get(writerKey(name)) === name });
  }
  return shards;
}

const writerKey = (name: string): string =>
  `${dirname(name)} ${basename(name).split('-').slice(1, 3).join('-')}`;

/** Folder of what is known of recordings (recording-memo.ts): small, and of use to every encoder. */
export const RECORDINGS = 'recordings';
