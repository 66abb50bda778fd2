/** Compares the files of the hub's cache with their names, which are their hashes. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readlink, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { WorkOptions } from '../report/progress.ts';
import { isIncomplete } from './blob.ts';
import { type CachedRepository, filesBelow, placesBelow } from './list-cache.ts';
import { isCommit } from './names.ts';
import { gitBlobHash } from './tree.ts';

/** A blob that is not what its name says, or that a snapshot links to and that is not there. */
export interface DamagedBlob {
  readonly repository: CachedRepository;
  readonly path: string;
  readonly fault: 'damaged' | 'missing';
  /** The hash that its content should have, and that it has. */
  readonly expected: string;
  readonly found?: string;
  /** Where it stands: paths by commit. */
  readonly files: readonly { readonly commit: string; readonly path: string }[];
}

export interface VerifiedHubCache {
  readonly blobs: number;
  readonly bytes: number;
  readonly damaged: readonly DamagedBlob[];
  /** Files whose names are no hashes: the server gave none, or the file system has no links. */
  readonly unchecked: number;
}

export interface VerifyHubOptions extends Pick<WorkOptions, 'onProgress' | 'signal'> {
  /** Removes damaged blobs, so that they are fetched again when they are needed. */
  readonly fix?: boolean;
}

/** Reads all blobs of repositories. Sends no request. */
export async function verifyHubCache(
  repositories: readonly CachedRepository[],
  { fix = false, onProgress, signal }: VerifyHubOptions = {},
): Promise<VerifiedHubCache> {
  const total = repositories.reduce((sum, { bytes }) => sum + bytes, 0);
  const damaged: DamagedBlob[] = [];
  let [blobs, bytes, unchecked] = [0, 0, 0];
  const show = (): void =>
    onProgress?.({ stage: 'verifying', done: Math.min(bytes, total), total, unit: 'bytes' });
  for (const repository of repositories) {
    const folder = join(repository.folder, 'blobs');
    const { links, copies } = await snapshotFiles(repository.folder);
    unchecked += copies;
    for (const name of (await filesBelow(folder)).map(({ path }) => path)) {
      if (isIncomplete(name)) continue;
      const path = join(folder, name);
      const files = links.get(path) ?? [];
      links.delete(path);
      blobs++;
      const found = await hashOf(path, name, (length) => {
        signal?.throwIfAborted();
        bytes += length;
        show();
      });
      if (found === undefined) unchecked++;
      else if (found !== name) {
        damaged.push({ repository, path, fault: 'damaged', expected: name, found, files });
        if (fix) await rm(path, { force: true });
      }
    }
    for (const [path, files] of links)
      damaged.push({ repository, path, fault: 'missing', expected: basename(path), files });
  }
  damaged.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  bytes = total;
  if (total > 0) show();
  return { blobs, bytes, damaged, unchecked };
}

const nameOf = ({ repository, files, path }: DamagedBlob): string =>
  `${repository.repo.id} ${files[0]?.path ?? path}`;

/** The files of snapshots by the blob that they link to, and the number of those that are no links. */
export async function snapshotFiles(
  repository: string,
): Promise<{ links: Map<string, { commit: string; path: string }[]>; copies: number }> {
  const links = new Map<string, { commit: string; path: string }[]>();
  let copies = 0;
  const snapshots = join(repository, 'snapshots');
  for (const commit of (await readdir(snapshots).catch(() => [])).sort()) {
    if (!isCommit(commit)) continue;
    const folder = join(snapshots, commit);
    for (const { path, isLink } of await placesBelow(folder)) {
      const place = join(folder, path);
      if (!isLink) {
        copies++;
        continue;
      }
      const blob = resolve(dirname(place), await readlink(place));
      // A link to elsewhere is none of the cache's.
      if (dirname(blob) !== join(resolve(repository), 'blobs')) continue;
      links.set(blob, [...(links.get(blob) ?? []), { commit, path: path.replaceAll('\\', '/') }]);
    }
  }
  return { links, copies };
}

/** The hash that a name is; undefined where it is none. */
async function hashOf(
  path: string,
  name: string,
  onRead: (length: number) => void,
): Promise<string | undefined> {
  const size = (await stat(path)).size;
  const hash = /^[0-9a-f]{64}$/.test(name)
    ? createHash('sha256')
    : isCommit(name)
      ? gitBlobHash(size)
      : undefined;
  if (!hash) {
    onRead(size);
    return undefined;
  }
  for await (const bytes of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(bytes);
    onRead(bytes.length);
  }
  return hash.digest('hex');
}
