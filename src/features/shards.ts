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
 * Each process writes shards of its own, so that several, also of several machines, can share a folder without locks; each sees
 * what was complete when it opened it, or last looked (refresh).
 */
import { type FileHandle, open, readFile, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { crc32 } from '../files/crc32.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { exists, namesIn } from '../files/read.ts';
import { createFolder, isReadOnly, writeWhole, writing } from '../files/write-whole.ts';
import type { CacheRoom } from './cache-room.ts';
import { RecordIndex } from './record-index.ts';

export const HEADER_BYTES = 64;
/** Bytes that a record may say of itself: a shape, a hash. */
export const ABOUT_BYTES = 24;
const ABOUT = 32;
const MAGIC = 0x31_72_74_77; // "wtr1"
/** A shard that has reached this size is followed by another. */
export const SHARD_BYTES = 2 ** 30;
/** Headers of records without payloads are read together. */
const SCANNED_AT_ONCE = 1 << 16;
/** Last uses are known to an hour. */
const TOUCHED_EVERY_MS = 3_600_000;
const INDEX_READ_AT_ONCE = HEADER_BYTES << 12;

export interface ShardRecord {
  /** 32 hexadecimal digits. */
  readonly key: string;
  /** At most ABOUT_BYTES. */
  readonly about: Uint8Array;
  readonly payload?: Uint8Array | undefined;
}

/** A shard, and how far it is known. */
interface Shard {
  readonly path: string;
  /** Bytes of the index whose headers are known, and of the shard that they describe. */
  indexed: number;
  end: number;
  /** When this process last noted that it was used, ms. */
  touched: number;
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

export const indexOf = (shard: string): string => shard.replace(/shard$/, 'index');

export interface ShardsOptions {
  /** The cache that the folder is in. Default: the folder itself. */
  readonly cache?: string | undefined;
  /** Room in that cache. Default: no limit. */
  readonly room?: CacheRoom | undefined;
}

export class Shards {
  readonly #index = new RecordIndex();
  readonly #shards: Shard[] = [];
  /** Numbers of the shards, by name. */
  readonly #numbers = new Map<string, number>();
  #refreshed = Date.now();
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
    const names = (await namesIn(folder)).filter(writerOf);
    let bytes = 0;
    for (const name of names) bytes += await sizeOf(join(folder, indexOf(name)));
    shards.#index.reserve(Math.floor(bytes / HEADER_BYTES));
    for (const name of names) await shards.#read(name);
    return shards;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Memory of the index, bytes. */
  get indexBytes(): number {
    return this.#index.byteLength;
  }

  /**
   * Reads what other processes have written since it was opened.
   * @param maxAge does nothing where that was done in so many milliseconds
   */
  async refresh(maxAge = 0): Promise<void> {
    if (Date.now() - this.#refreshed < maxAge) return;
    this.#refreshed = Date.now();
    for (const name of await namesIn(this.folder)) {
      if (writerOf(name) && join(this.folder, name) !== this.#own?.path) await this.#read(name);
    }
  }

  /** Reads the headers of a shard that are not known yet. */
  async #read(name: string): Promise<void> {
    const number = this.#numberOf(name);
    const shard = this.#shards[number]!;
    await readHeaders(shard, (headers) => this.#include(number, headers));
  }

  #numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#shards.length);
    this.#shards.push({ path: join(this.folder, name), indexed: 0, end: 0, touched: 0 });
    return this.#shards.length - 1;
  }

  /** Why nothing can be added, one line; undefined where it can. */
  get refusal(): string | undefined {
    return this.#refusal?.message;
  }

  #include(shard: number, headers: Buffer): void {
    for (let at = 0; at < headers.length; at += HEADER_BYTES) {
      this.#index.add(
        headers.readUInt32BE(at),
        headers.readUInt32BE(at + 4),
        headers.subarray(at + ABOUT, at + ABOUT + ABOUT_BYTES),
        {
          shard,
          place: payloadPlaceOf(headers, at),
          bytes: payloadBytesOf(headers, at),
          crc: payloadSumOf(headers, at),
        },
      );
    }
  }

  /** What a record says of itself; undefined where there is none. Its payload may be damaged all the same. */
  about(key: string): Buffer | undefined {
    const [high, low] = halves(key);
    return this.#index.about(high, low, ABOUT_BYTES);
  }

  /** Undefined where there is no such record, or a damaged one. */
  async read(key: string): Promise<{ about: Buffer; payload: Buffer } | undefined> {
    const [high, low] = halves(key);
    const found = this.#index.payload(high, low);
    if (!found) return undefined;
    const { path } = this.#shards[found.shard]!;
    const payload = await readAt(path, found.place, found.bytes);
    if (payload && crc32(payload) === found.crc) {
      this.room?.use(path);
      this.#touch(found.shard);
      return { about: this.about(key)!, payload };
    }
    this.#index.remove(high, low);
    return undefined;
  }

  /** Notes that a shard was used, by the time of its index: the least recently used are dropped first. */
  #touch(number: number): void {
    const shard = this.#shards[number]!;
    const now = Date.now();
    if (now - shard.touched < TOUCHED_EVERY_MS) return;
    shard.touched = now;
    const time = new Date(now);
    // A cache that may only be read is not noted.
    utimes(indexOf(shard.path), time, time).catch(() => {});
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
    this.#include(this.#numberOf(basename(path)), headers);
    return true;
  }
}

/** The first 64 bits of a key, by which records are found. */
const halves = (key: string): [high: number, low: number] => [
  Number.parseInt(key.slice(0, 8), 16),
  Number.parseInt(key.slice(8, 16), 16),
];
const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;
export const payloadPlaceOf = (headers: Buffer, at: number): number => headers.readDoubleLE(at + 16);
export const payloadBytesOf = (headers: Buffer, at: number): number => headers.readUInt32LE(at + 24);
export const payloadSumOf = (headers: Buffer, at: number): number => headers.readUInt32LE(at + 28);

/** Where the last record that headers describe ends in the shard. */
export function endOf(headers: Buffer): number {
  const last = headers.length - HEADER_BYTES;
  return last < 0 ? 0 : payloadPlaceOf(headers, last) + payloadBytesOf(headers, last);
}

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

/** A header of the same record at another place in a shard. */
export function moveHeader(header: Buffer, place: number): Buffer {
  const moved = Buffer.from(header);
  moved.writeDoubleLE(place, 16);
  moved.writeUInt32LE(crc32(moved.subarray(0, 60)), 60);
  return moved;
}

/** Reads the headers of all whole records of a shard; mends its index where that lacks some. */
export const readAllHeaders = (path: string, include: (headers: Buffer) => void): Promise<void> =>
  readHeaders({ path, indexed: 0, end: 0, touched: 0 }, include);

/** Whether a whole header of a payload at `place` stands there. */
const isHeader = (headers: Buffer, at: number, place: number): boolean =>
  headers.length >= at + HEADER_BYTES &&
  headers.readUInt32LE(at + 56) === MAGIC &&
  payloadPlaceOf(headers, at) === place &&
  headers.readUInt32LE(at + 60) === crc32(headers.subarray(at, at + 60));

/** Reads the headers of a shard from where they are known to its end, from its index and, where that lacks some, from itself. */
async function readHeaders(shard: Shard, include: (headers: Buffer) => void): Promise<void> {
  const { path } = shard;
  const size = await sizeOf(path);
  const indexPath = indexOf(path);
  await readIndex(indexPath, shard, size, include);
  if (shard.end + HEADER_BYTES > size) return;
  const further = Buffer.concat(await scan(path, shard.end, size));
  if (further.length === 0) return;
  include(further);
  // A shard that is being written has an index that is about to grow.
  if (await isBeingWritten(path)) return;
  // Without it the next run would scan again.
  const known = (await readFile(indexPath).catch(() => Buffer.alloc(0))).subarray(0, shard.indexed);
  const all = Buffer.concat([known, further]);
  await writeWhole(indexPath, all).catch(() => {});
  shard.indexed = all.length;
  shard.end = endOf(all);
}

/** Reads an index on from where it is known, a part at a time. */
async function readIndex(
  path: string,
  shard: Shard,
  size: number,
  include: (headers: Buffer) => void,
): Promise<void> {
  const handle = await open(path).catch(() => undefined);
  if (!handle) return;
  try {
    const buffer = Buffer.alloc(INDEX_READ_AT_ONCE);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, shard.indexed);
      const headers = buffer.subarray(0, bytesRead);
      let whole = 0;
      while (isHeader(headers, whole, shard.end + HEADER_BYTES)) {
        const next = shard.end + HEADER_BYTES + payloadBytesOf(headers, whole);
        if (next > size) break;
        whole += HEADER_BYTES;
        shard.end = next;
      }
      include(headers.subarray(0, whole));
      shard.indexed += whole;
      if (whole < buffer.length) return;
    }
  } catch {
    // A folder of that name, say: the shard is scanned instead.
  } finally {
    await handle.close();
  }
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
      end += HEADER_BYTES + payloadBytesOf(header, 0);
      if (end <= size) headers.push(header);
    }
  } finally {
    await handle.close();
  }
  return headers;
}

/** Whether a process that still runs may write the shard; of another machine's nobody knows, so a silent hour decides. */
export async function isBeingWritten(path: string): Promise<boolean> {
  const writer = writerOf(basename(path));
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
