/**
 * Records by key on disk, for caches of hundreds of thousands: append-only shards, and beside each an index.
 *
 *     <name>.shard   header, payload, header, payload, …
 *     <name>.index   the same headers without the payloads
 *
 * A header has 64 bytes, little-endian: key (16), place of the payload in the shard (float64), its bytes (uint32), its CRC-32
 * (uint32), what the record says of itself (24), MAGIC (uint32), CRC-32 of the header so far (uint32). Opening reads the
 * indexes only. Where one is missing, damaged or shorter than its shard, the headers of the shard are read instead. A record
 * that is cut off or damaged counts as missing, so a process may be killed at any moment.
 *
 * Each process writes shards of its own, so that several can share a folder; each sees what was complete when it opened it.
 */
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { crc32 } from '../files/crc32.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { exists, namesIn } from '../files/read.ts';
import { createFolder, isReadOnly, writeWhole, writing } from '../files/write-whole.ts';
import type { CacheRoom } from './cache-room.ts';

export const HEADER_BYTES = 64;
/** Bytes that a record may say of itself: a shape, a hash. */
export const ABOUT_BYTES = 24;
const ABOUT = 32;
const MAGIC = 0x31_72_74_77; // "wtr1"
/** A shard that has reached this size is followed by another. */
export const SHARD_BYTES = 2 ** 30;
/** Headers of records without payloads are read together. */
const SCANNED_AT_ONCE = 1 << 16;

export interface ShardRecord {
  /** 32 hexadecimal digits. */
  readonly key: string;
  /** At most ABOUT_BYTES. */
  readonly about: Uint8Array;
  readonly payload?: Uint8Array | undefined;
}

interface Shard {
  readonly path: string;
  /** Headers of its records, one after the other. */
  readonly headers: Buffer;
}

/** Name of a shard: when it was begun, and which process writes it. */
const HOST = fingerprint(hostname(), 6);
let shardsBegun = 0;
const newShardName = (): string =>
  `${Date.now().toString(36).padStart(9, '0')}-${HOST}-${process.pid}-${shardsBegun++}`;

/** @returns undefined where the name is none of a shard's */
export function writerOf(name: string): { pid: number; here: boolean } | undefined {
  const found = /^[0-9a-z]{9}-([0-9a-f]{6})-(\d+)-\d+\.shard$/.exec(name);
  return found ? { pid: Number(found[2]), here: found[1] === HOST } : undefined;
}

export interface ShardsOptions {
  /** The cache that the folder is in. Default: the folder itself. */
  readonly cache?: string | undefined;
  /** Room in that cache. Default: no limit. */
  readonly room?: CacheRoom | undefined;
}

export class Shards {
  /** Shard and place in its headers, by key as Latin-1 text. */
  readonly #places = new Map<string, { readonly shard: Shard; readonly at: number }>();
  #own: { readonly path: string; readonly index: string; size: number; indexed: number } | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  /** Why nothing can be added. */
  #refusal: Error | undefined;

  private constructor(
    readonly folder: string,
    private readonly room: CacheRoom | undefined,
  ) {}

  /**
   * Opens a folder. One in a cache that may only be read can be read.
   * @throws UserError where the folder cannot be created
   */
  static async open(folder: string, { cache = folder, room }: ShardsOptions = {}): Promise<Shards> {
    const shards = new Shards(folder, room);
    const isThere = await exists(cache);
    await createFolder(folder).catch((error: Error) => {
      if (!isThere || !isReadOnly(error)) throw error;
      shards.#refusal = error;
    });
    for (const name of await namesIn(folder)) {
      if (writerOf(name)) shards.#include(await openShard(join(folder, name)));
    }
    return shards;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Why nothing can be added, one line; undefined where it can. */
  get refusal(): string | undefined {
    return this.#refusal?.message;
  }

  #include(shard: Shard): void {
    for (let at = 0; at < shard.headers.length; at += HEADER_BYTES) {
      this.#places.set(shard.headers.toString('latin1', at, at + 16), { shard, at });
    }
  }

  /** What a record says of itself; undefined where there is none. Its payload may be damaged all the same. */
  about(key: string): Buffer | undefined {
    const place = this.#places.get(binary(key));
    return place?.shard.headers.subarray(place.at + ABOUT, place.at + ABOUT + ABOUT_BYTES);
  }

  /** Undefined where there is no such record, or a damaged one. */
  async read(key: string): Promise<{ about: Buffer; payload: Buffer } | undefined> {
    const place = this.#places.get(binary(key));
    if (!place) return undefined;
    const { shard, at } = place;
    const payload = await readAt(
      shard.path,
      payloadPlace(shard.headers, at),
      payloadBytes(shard.headers, at),
    );
    if (payload && crc32(payload) === shard.headers.readUInt32LE(at + 28)) {
      this.room?.use(shard.path);
      return { about: this.about(key)!, payload };
    }
    this.#places.delete(binary(key));
    return undefined;
  }

  /**
   * Writes records together.
   * @returns whether they were stored: not where the cache has reached its limit
   * @throws UserError where they cannot be written, also where {@link refusal} says so; what was stored stays
   */
  add(records: readonly ShardRecord[]): Promise<boolean> {
    const written = this.#writing.then(() => this.#add(records));
    this.#writing = written.catch(() => {});
    return written;
  }

  async #add(records: readonly ShardRecord[]): Promise<boolean> {
    if (records.length === 0) return true;
    if (this.#refusal) throw this.#refusal;
    const bytes = records.reduce((sum, { payload }) => sum + 2 * HEADER_BYTES + (payload?.length ?? 0), 0);
    if (this.room && !(await this.room.reserve(bytes))) return false;
    let own = this.#own;
    if (!own || own.size + bytes > (this.room?.shardBytes ?? SHARD_BYTES)) {
      const path = join(this.folder, newShardName());
      own = { path: `${path}.shard`, index: `${path}.index`, size: 0, indexed: 0 };
    }
    const headers = Buffer.alloc(records.length * HEADER_BYTES);
    const content: Uint8Array[] = [];
    let end = own.size;
    records.forEach((record, i) => {
      const header = headers.subarray(i * HEADER_BYTES, (i + 1) * HEADER_BYTES);
      writeHeader(header, record, end + HEADER_BYTES);
      content.push(header);
      if (record.payload) content.push(record.payload);
      end += HEADER_BYTES + (record.payload?.length ?? 0);
    });
    const { path, index } = own;
    this.room?.use(path);
    await writing(path, () => writeAt(path, Buffer.concat(content), own.size));
    await writing(path, () => writeAt(index, headers, own.indexed));
    own.size = end;
    own.indexed += headers.length;
    this.#own = own;
    this.#include({ path, headers });
    return true;
  }
}

const binary = (key: string): string => Buffer.from(key, 'hex').toString('latin1');
const payloadPlace = (headers: Buffer, at: number): number => headers.readDoubleLE(at + 16);
const payloadBytes = (headers: Buffer, at: number): number => headers.readUInt32LE(at + 24);

function writeHeader(
  header: Buffer,
  { key, about, payload = new Uint8Array() }: ShardRecord,
  place: number,
): void {
  header.write(key, 'hex');
  header.writeDoubleLE(place, 16);
  header.writeUInt32LE(payload.length, 24);
  header.writeUInt32LE(crc32(payload), 28);
  header.set(about, ABOUT);
  header.writeUInt32LE(MAGIC, 56);
  header.writeUInt32LE(crc32(header.subarray(0, 60)), 60);
}

/** Whether a whole header of a payload at `place` stands there. */
const isHeader = (headers: Buffer, at: number, place: number): boolean =>
  headers.length >= at + HEADER_BYTES &&
  headers.readUInt32LE(at + 56) === MAGIC &&
  payloadPlace(headers, at) === place &&
  headers.readUInt32LE(at + 60) === crc32(headers.subarray(at, at + 60));

async function openShard(path: string): Promise<Shard> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  const indexPath = path.replace(/shard$/, 'index');
  const index = await readFile(indexPath).catch(() => Buffer.alloc(0));
  let whole = 0;
  let end = 0;
  while (isHeader(index, whole, end + HEADER_BYTES)) {
    const next = end + HEADER_BYTES + payloadBytes(index, whole);
    if (next > size) break;
    whole += HEADER_BYTES;
    end = next;
  }
  const known = index.subarray(0, whole);
  const further = end + HEADER_BYTES <= size ? await scan(path, end, size) : [];
  if (further.length === 0) return { path, headers: known };
  const headers = Buffer.concat([known, ...further]);
  // Without it the next run would scan again. A shard that is being written has one that is about to grow.
  if (!(await isBeingWritten(path))) await writeWhole(indexPath, headers).catch(() => {});
  return { path, headers };
}

/** Headers of the complete records of a shard from a place on. */
async function scan(path: string, from: number, size: number): Promise<Buffer[]> {
  const headers: Buffer[] = [];
  const handle = await open(path);
  try {
    let chunk = Buffer.alloc(0);
    let start = from;
    for (let end = from; end + HEADER_BYTES <= size; ) {
      if (end < start || end + HEADER_BYTES > start + chunk.length) {
        start = end;
        chunk = Buffer.alloc(Math.min(SCANNED_AT_ONCE, size - start));
        await handle.read(chunk, 0, chunk.length, start);
      }
      if (!isHeader(chunk, end - start, end + HEADER_BYTES)) break;
      const header = chunk.subarray(end - start, end - start + HEADER_BYTES);
      end += HEADER_BYTES + payloadBytes(header, 0);
      if (end <= size) headers.push(header);
    }
  } finally {
    await handle.close();
  }
  return headers;
}

/** Whether a process that still runs may write the shard; of another machine's nobody knows, so a silent hour decides. */
export async function isBeingWritten(path: string): Promise<boolean> {
  const writer = writerOf(path.split(/[\\/]/).at(-1)!);
  if (!writer) return false;
  if (!writer.here) {
    const found = await stat(path).catch(() => undefined);
    return found !== undefined && Date.now() - found.mtimeMs < 3_600_000;
  }
  try {
    process.kill(writer.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Undefined where the file is gone or too short. Opened for each read: a shard may be dropped at any time. */
async function readAt(path: string, place: number, bytes: number): Promise<Buffer | undefined> {
  const handle = await open(path).catch(() => undefined);
  if (!handle) return undefined;
  try {
    // A memory of its own, so that its values can be viewed as numbers.
    const content = Buffer.from(new ArrayBuffer(bytes));
    const { bytesRead } = await handle.read(content, 0, bytes, place);
    return bytesRead === bytes ? content : undefined;
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** Appends; a failed write leaves the file as it was. @param size of the file; 0: there must be none */
async function writeAt(path: string, content: Buffer, size: number): Promise<void> {
  const handle: FileHandle = await open(path, size === 0 ? 'wx' : 'r+');
  try {
    for (let done = 0; done < content.length; ) {
      const { bytesWritten } = await handle.write(content, done, content.length - done, size + done);
      done += bytesWritten;
    }
  } catch (error) {
    await handle.truncate(size).catch(() => {});
    throw error;
  } finally {
    await handle.close();
  }
}
