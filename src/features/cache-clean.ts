/** Verifies the checksums of a cache, and drops what was not used for long, or what it has no room for. */
import { createReadStream } from 'node:fs';
import { open, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { keptArchives } from '../audio/gunzipped.ts';
import { crc32 } from '../files/crc32.ts';
import { writeWhole } from '../files/write-whole.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import { ARCHIVES, isInUse, isOfRecordings, removeShard, shardsOf } from './cached-shards.ts';
import {
  endOf,
  HEADER_BYTES,
  indexOf,
  moveHeader,
  payloadBytesOf,
  payloadPlaceOf,
  payloadSumOf,
  readAllHeaders,
} from './shards.ts';

export interface VerifiedCache {
  readonly shards: number;
  readonly records: number;
  readonly bytes: number;
  /** Records whose checksum is wrong, and shards that they are in. */
  readonly damaged: number;
  readonly damagedShards: readonly string[];
  /** Bytes behind the last whole record: what a process that was killed had begun. */
  readonly unfinished: number;
  /** Records that were dropped, and shards that were not mended, as a process that lives may write them. */
  readonly dropped: number;
  readonly skipped: readonly string[];
}

export interface VerifyOptions extends WorkOptions {
  /** Rewrite shards without their damaged records. */
  readonly fix?: boolean;
}

/** Reads every record of a cache. @throws UserError where there is no cache, or a shard cannot be rewritten */
export async function verifyCache(
  cache: string,
  { fix = false, ...work }: VerifyOptions = {},
): Promise<VerifiedCache> {
  const shards = await shardsOf(cache);
  const total = shards.reduce((sum, { bytes }) => sum + bytes, 0);
  const update = stageProgress(work, 'verifying', Math.ceil(total / 1e6));
  const damagedShards: string[] = [];
  const skipped: string[] = [];
  let [records, bytes, damaged, unfinished, dropped] = [0, 0, 0, 0, 0];
  for (const shard of shards) {
    const headers = await headersOf(shard.path);
    const wrong = await damagedRecords(shard.path, headers, (read) => update((bytes + read) / 1e6));
    const inUse = await isInUse(shard);
    records += headers.length / HEADER_BYTES;
    damaged += wrong.size;
    if (wrong.size > 0) damagedShards.push(shard.path);
    const rest = inUse ? 0 : await bytesBehind(shard.path, headers);
    unfinished += rest;
    if (fix && (wrong.size > 0 || rest > 0)) {
      if (inUse) skipped.push(shard.path);
      else {
        await rewrite(shard.path, headers, wrong);
        dropped += wrong.size;
      }
    }
    bytes += shard.bytes;
    update(bytes / 1e6);
  }
  work.onProgress?.({ stage: 'verifying', done: Math.ceil(total / 1e6), total: Math.ceil(total / 1e6) });
  return { shards: shards.length, records, bytes, damaged, damagedShards, unfinished, dropped, skipped };
}

async function headersOf(path: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  await readAllHeaders(path, (headers) => parts.push(Buffer.from(headers)));
  return Buffer.concat(parts);
}

/** Places in the headers of the records whose payload is not as their checksum says. */
async function damagedRecords(
  path: string,
  headers: Buffer,
  onRead: (bytes: number) => void,
): Promise<Set<number>> {
  const wrong = new Set<number>();
  const handle = await open(path).catch(() => undefined);
  // Another process dropped it.
  if (!handle) return wrong;
  try {
    for (let at = 0; at < headers.length; at += HEADER_BYTES) {
      const [place, bytes] = [payloadPlaceOf(headers, at), payloadBytesOf(headers, at)];
      const payload = Buffer.allocUnsafe(bytes);
      const { bytesRead } = await handle.read(payload, 0, bytes, place).catch(() => ({ bytesRead: -1 }));
      if (bytesRead !== bytes || crc32(payload) !== payloadSumOf(headers, at)) wrong.add(at);
      if (at % (64 * HEADER_BYTES) === 0) onRead(place);
    }
  } finally {
    await handle.close();
  }
  return wrong;
}

async function bytesBehind(path: string, headers: Buffer): Promise<number> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  return Math.max(0, size - endOf(headers));
}

/**
 * Writes a shard anew without some records. Its index goes first and comes last: a process that is killed between leaves a shard
 * that is scanned. One that has the shard open finds wrong checksums where records moved, and encodes these clips again.
 */
async function rewrite(path: string, headers: Buffer, without: ReadonlySet<number>): Promise<void> {
  const moved: Buffer[] = [];
  const places: { from: number; to: number }[] = [];
  let end = 0;
  for (let at = 0; at < headers.length; at += HEADER_BYTES) {
    if (without.has(at)) continue;
    const bytes = payloadBytesOf(headers, at);
    const place = payloadPlaceOf(headers, at);
    moved.push(moveHeader(headers.subarray(at, at + HEADER_BYTES), end + HEADER_BYTES));
    places.push({ from: place, to: place + bytes });
    end += HEADER_BYTES + bytes;
  }
  const found = await stat(path);
  await rm(indexOf(path), { force: true });
  if (moved.length === 0) {
    await rm(path, { force: true });
    return;
  }
  const content = async function* (): AsyncGenerator<Uint8Array> {
    for (const [i, { from, to }] of places.entries()) {
      yield moved[i]!;
      if (to > from) yield* createReadStream(path, { start: from, end: to - 1 });
    }
  };
  await writeWhole(path, content());
  await writeWhole(indexOf(path), Buffer.concat(moved));
  // It was not used by this.
  for (const file of [path, indexOf(path)]) await utimes(file, found.atime, found.mtime).catch(() => {});
}

export interface PruneOptions {
  /** Drop what was last used before this time, ms since 1970. */
  readonly unusedSince?: number | undefined;
  /** Then the least recently used, until the cache has at most so many bytes. */
  readonly maxBytes?: number | undefined;
  /** Only stores of these names, or that begin so: an encoder's fingerprint. */
  readonly encoder?: string | undefined;
  /** Drop nothing, only say what would be. */
  readonly dryRun?: boolean | undefined;
}

export interface PrunedCache {
  readonly shards: number;
  /** Decompressed archives. */
  readonly archives: number;
  /** Of both. */
  readonly bytes: number;
  /** Of the cache afterwards. */
  readonly left: number;
  /** Shards that stay, as a process that lives may write them. */
  readonly inUse: number;
}

/**
 * Drops shards of encoder outputs and decompressed archives, the least recently used first; what is known of recordings stays. With
 * `encoder` archives stay, and with it alone all of its outputs go.
 * @throws UserError where there is no cache, or a shard cannot be removed
 */
export async function pruneCache(
  cache: string,
  { unusedSince, maxBytes, encoder, dryRun = false }: PruneOptions,
): Promise<PrunedCache> {
  const all = await shardsOf(cache);
  const kept = await keptArchives(join(cache, ARCHIVES));
  const total = [...all, ...kept].reduce((sum, { bytes }) => sum + bytes, 0);
  const isAll = unusedSince === undefined && maxBytes === undefined;
  const candidates = [
    ...all
      .filter((shard) => !isOfRecordings(shard) && shard.store.startsWith(encoder ?? ''))
      .map((shard) => ({ ...shard, shard })),
    ...(encoder === undefined ? kept.map((archive) => ({ ...archive, shard: undefined })) : []),
  ].sort((a, b) => a.used - b.used || (a.path < b.path ? -1 : 1));
  let [shards, archives, bytes, inUse] = [0, 0, 0, 0];
  for (const { path, used, bytes: size, shard } of candidates) {
    const isOld = unusedSince !== undefined && used < unusedSince;
    const isTooMuch = maxBytes !== undefined && total - bytes > maxBytes;
    if (!isAll && !isOld && !isTooMuch) continue;
    if (shard && (await isInUse(shard))) {
      inUse++;
      continue;
    }
    if (!dryRun) await (shard ? removeShard(path) : rm(path, { force: true }));
    if (shard) shards++;
    else archives++;
    bytes += size;
  }
  return { shards, archives, bytes, left: total - bytes, inUse };
}
