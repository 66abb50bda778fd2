/** Removes repositories and revisions from the hub's cache, as `hf cache rm` does: blobs that other revisions use stay. */
import { lstat, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../errors.ts';
import { lockFile } from '../files/lock.ts';
import { namesIn } from '../files/read.ts';
import { formatBytes } from '../report/format.ts';
import { type CachedRepository, type CachedRevision, placesBelow } from './list-cache.ts';
import { checkedRevision, nameOf, parseRepo, type RepoType } from './names.ts';
import { snapshotFiles } from './verify-cache.ts';

/** Ends the names of our locks. */
const LOCK = '.whisper-transfer.lock';

/** What is removed of one repository. */
export interface Removal {
  readonly repository: CachedRepository;
  /** All of them: the whole repository goes, with what broke off. */
  readonly revisions: readonly CachedRevision[];
  readonly isWhole: boolean;
  /** Paths of blobs that no other revision uses; of a whole repository none, as its folder goes. */
  readonly blobs: readonly string[];
  /** Bytes that are freed. */
  readonly bytes: number;
}

/**
 * What removing repositories ("owner/name") or revisions of them ("owner/name@revision": a branch, a tag, a commit or its beginning)
 * means, for each repository once.
 * @param type default: a model, unless only a data set of this name is there
 * @throws UserError where the cache has no such thing, or a part of it is a link that leads out of the cache
 */
export async function planRemovals(
  repositories: readonly CachedRepository[],
  targets: readonly string[],
  type?: RepoType,
): Promise<Removal[]> {
  const chosen = new Map<CachedRepository, Set<CachedRevision>>();
  for (const target of targets) {
    const { repository, revisions } = await targetOf(repositories, target, type);
    const before = chosen.get(repository) ?? [];
    chosen.set(repository, new Set([...before, ...revisions]));
  }
  return Promise.all([...chosen].map(([repository, revisions]) => planRemoval(repository, [...revisions])));
}

async function targetOf(
  repositories: readonly CachedRepository[],
  target: string,
  type: RepoType | undefined,
): Promise<Pick<Removal, 'repository' | 'revisions'>> {
  const { repo, revision } = parseRepo(target, type ?? 'model');
  const named = repositories.filter(
    (one) => one.repo.id.toLowerCase() === repo.id.toLowerCase() && (type ?? one.repo.type) === one.repo.type,
  );
  const repository = named.find((one) => one.repo.type === 'model') ?? named[0];
  if (!repository) {
    const ids = repositories.map(({ repo: { id } }) => id);
    throw new UserError(
      `${target}: found no such ${type ?? 'repository'} in the cache; expected one of ${ids.slice(0, 8).join(', ') || 'none: it is empty'}${ids.length > 8 ? ' …' : ''}`,
    );
  }
  for (const part of ['', 'blobs', 'snapshots', 'refs']) {
    const path = join(repository.folder, part);
    if ((await lstat(path).catch(() => undefined))?.isSymbolicLink())
      throw new UserError(
        `${path}: found a link; expected a folder of the cache: what it leads to is not removed`,
      );
  }
  if (revision === undefined) return { repository, revisions: repository.revisions };
  const revisions = revisionsOf(repository, revision);
  if (revisions.length > 0) return { repository, revisions };
  const has = repository.revisions.map(({ commit, refs }) => [commit.slice(0, 7), ...refs].join(' '));
  throw new UserError(`${target}: found no such revision in the cache; expected one of ${has.join(', ')}`);
}

async function planRemoval(
  repository: CachedRepository,
  revisions: readonly CachedRevision[],
): Promise<Removal> {
  if (revisions.length === repository.revisions.length)
    return { repository, revisions, isWhole: true, blobs: [], bytes: await bytesOf(repository.folder) };
  const commits = new Set(revisions.map(({ commit }) => commit));
  const blobs: string[] = [];
  let bytes = 0;
  const { links } = await snapshotFiles(repository.folder);
  for (const [blob, files] of links) {
    if (!files.every(({ commit }) => commits.has(commit))) continue;
    blobs.push(blob);
    bytes += (await lstat(blob).catch(() => undefined))?.size ?? 0;
  }
  for (const commit of commits) bytes += await bytesOf(join(repository.folder, 'snapshots', commit));
  return { repository, revisions, isWhole: false, blobs, bytes };
}

function revisionsOf({ revisions }: CachedRepository, name: string): readonly CachedRevision[] {
  checkedRevision(name);
  const named = revisions.filter(({ commit, refs }) => commit === name || refs.includes(name));
  if (named.length > 0) return named;
  const begun = /^[0-9a-f]{7,}$/.test(name) ? revisions.filter(({ commit }) => commit.startsWith(name)) : [];
  return begun.length === 1 ? begun : [];
}

/** Bytes of the files of a folder. Links count nothing, nor what they lead to. */
async function bytesOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const { path, isLink } of await placesBelow(folder)) {
    if (!isLink) bytes += (await lstat(join(folder, path)).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}

/**
 * Removes what was planned. Names go before contents: what is killed meanwhile leaves blobs without a name, never names without
 * blobs. Links are removed, what they lead to is not.
 * @throws UserError where a process is downloading the repository
 */
export async function remove({ repository, revisions, isWhole, blobs }: Removal): Promise<void> {
  const { folder } = repository;
  const locks = join(dirname(folder), '.locks', basename(folder));
  for (const name of await namesIn(locks)) {
    // Throws where the process that has it lives.
    if (name.endsWith(LOCK)) await lockFile(join(locks, name.slice(0, -'.lock'.length)), async () => {});
  }
  const commits = new Set(revisions.map(({ commit }) => commit));
  for (const { refs } of revisions)
    for (const ref of refs) await rm(join(folder, 'refs', ref), { force: true });
  for (const commit of commits) {
    for (const part of ['snapshots', '.no_exist'])
      await rm(join(folder, part, commit), { recursive: true, force: true });
  }
  for (const blob of blobs) await rm(blob, { force: true });
  if (!isWhole) return;
  await rm(folder, { recursive: true, force: true });
  await rm(locks, { recursive: true, force: true });
}

/** What is removed, as a line. */
export function describeRemoval({ repository: { repo }, revisions, isWhole, bytes }: Removal): string {
  const commits = revisions.map(
    ({ commit, refs }) => `${commit.slice(0, 7)}${refs.length > 0 ? ` (${refs.join(', ')})` : ''}`,
  );
  const what = isWhole ? `${repo.id} (${repo.type}), all of it` : nameOf(repo, commits.join(', '));
  return `${what}: ${formatBytes(bytes)}`;
}
