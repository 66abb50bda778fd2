/** The size limit of a cache folder: the oldest shards are dropped, whole, to make room for new ones. */
import { cachedShards, isInUse, isOfRecordings, removeShard } from './cached-shards.ts';
import { SHARD_BYTES } from './shards.ts';

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
    const shards = (await cachedShards(this.cache)).filter((shard) => !isOfRecordings(shard));
    let total = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    for (const shard of shards) {
      const { path } = shard;
      if (total + bytes <= this.limit) break;
      if (this.#used.has(path) || (await isInUse(shard))) continue;
      await removeShard(path);
      total -= shard.bytes;
    }
    return total;
  }
}
