/** What the cache of the hub holds. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn } from '../files/read.ts';
import { isIncomplete } from './blob.ts';
import { isCommit, type Repo, repoOfFolder } from './names.ts';

export interface CachedRevision {
  readonly commit: string;
  /** Branches and tags that stood for it when they were last asked. */
  readonly refs: readonly string[];
  readonly files: number;
  /** Bytes of its files, which may be another revision's, too. */
  readonly bytes: number;
  /** When its folder last changed, ms. */
  readonly changed: number;
}

export interface CachedRepository {
  readonly repo: Repo;
  readonly folder: string;
  readonly revisions: readonly CachedRevision[];
  /** Bytes of all its blobs, each once. */
  readonly bytes: number;
  /** Bytes of downloads that broke off. */
  readonly incompleteBytes: number;
}

/** Repositories in a cache, in the order of their names. */
export async function listCache(cache: string): Promise<CachedRepository[]> {
  const found: CachedRepository[] = [];
  for (const name of await namesIn(cache)) {
    const repo = repoOfFolder(name);
    if (!repo) continue;
    const folder = join(cache, name);
    const refs = await refsOf(folder);
    const revisions: CachedRevision[] = [];
    for (const commit of await namesIn(join(folder, 'snapshots'))) {
      if (!isCommit(commit)) continue;
      const path = join(folder, 'snapshots', commit);
      const files = await filesBelow(path);
      revisions.push({
        commit,
        refs: refs.filter((ref) => ref.commit === commit).map((ref) => ref.name),
        files: files.length,
        bytes: files.reduce((sum, { size }) => sum + size, 0),
        changed: (await stat(path)).mtimeMs,
      });
    }
    const blobs = await filesBelow(join(folder, 'blobs'));
    const sizeOf = (incomplete: boolean): number =>
      blobs.reduce((sum, { path, size }) => (isIncomplete(path) === incomplete ? sum + size : sum), 0);
    found.push({ repo, folder, revisions, bytes: sizeOf(false), incompleteBytes: sizeOf(true) });
  }
  return found;
}

async function refsOf(folder: string): Promise<{ name: string; commit: string }[]> {
  const files = await filesBelow(join(folder, 'refs'));
  return Promise.all(
    files.map(async ({ path }) => ({
      name: path.replaceAll('\\', '/'),
      commit: (await readFile(join(folder, 'refs', path), 'utf8').catch(() => '')).trim(),
    })),
  );
}

/** Files below a folder, through links to files, with their sizes. */
export async function filesBelow(folder: string): Promise<{ path: string; size: number }[]> {
  const files: { path: string; size: number }[] = [];
  for (const { path } of await placesBelow(folder)) {
    const found = await stat(join(folder, path)).catch(() => undefined);
    if (found?.isFile()) files.push({ path, size: found.size });
  }
  return files;
}

/** All but folders below a folder, in the order of their paths. Links are places of their own, and are not followed. */
export async function placesBelow(folder: string): Promise<{ path: string; isLink: boolean }[]> {
  const places: { path: string; isLink: boolean }[] = [];
  const folders = [''];
  for (const current of folders) {
    const entries = await readdir(join(folder, current), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = join(current, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else places.push({ path, isLink: entry.isSymbolicLink() });
    }
  }
  return places.sort((a, b) => (a.path < b.path ? -1 : 1));
}
