/** Downloads a repository of the Hugging Face hub, or some of its files, into the cache. */
import { UserError } from '../errors.ts';
import { freeDisk } from '../files/free-disk.ts';
import { exists } from '../files/read.ts';
import { inParallel } from '../in-parallel.ts';
import { formatBytes } from '../report/format.ts';
import type { WorkOptions } from '../report/progress.ts';
import { bytesThere, fetchBlob, type RepoCommit } from './blob.ts';
import { CachedRepo, markCache } from './cache.ts';
import { HubClient, HubError } from './client.ts';
import { globTest } from './globs.ts';
import { checkedRevision, DEFAULT_REVISION, isCommit, nameOf, type Repo } from './names.ts';
import { type HubSettings, hubSettings } from './settings.ts';
import { commitOf, filesOf, type HubFile } from './tree.ts';

export interface DownloadOptions extends Omit<WorkOptions, 'onSkip'> {
  /** Branch, tag or commit. Default: main. */
  readonly revision?: string | undefined;
  /** Patterns of the wanted paths (globs.ts). Default: all files. */
  readonly files?: readonly string[] | undefined;
  /** Default: by the environment. */
  readonly settings?: HubSettings | undefined;
}

export interface Snapshot {
  readonly repo: Repo;
  /** What was asked for, and the commit that it stands for. */
  readonly revision: string;
  readonly commit: string;
  /** Absolute path of its folder, with the files that were fetched so far. */
  readonly folder: string;
  /** The wanted files; undefined where the hub could not be asked. */
  readonly files: readonly HubFile[] | undefined;
  /** Bytes that had to be fetched. */
  readonly fetched: number;
}

export interface ResolvedRevision extends RepoCommit {
  readonly revision: string;
  /** Whether the hub may be asked. */
  readonly online: boolean;
}

/** Files that are fetched at a time. */
const PARALLEL = 4;

/**
 * The commit of a revision, and the hub's client. Offline, and where the hub cannot be reached, the commit of the last time.
 * @throws UserError where neither knows
 */
export async function resolveRevision(
  repo: Repo,
  { revision: asked, settings: given, onNote, signal }: DownloadOptions = {},
): Promise<ResolvedRevision> {
  const revision = checkedRevision(asked ?? DEFAULT_REVISION);
  const settings = given ?? (await hubSettings());
  const client = new HubClient(settings, { onNote });
  const cached = new CachedRepo(settings.cache, repo);
  const known = await cached.commitOf(revision);
  const there = known !== undefined && (await exists(cached.snapshot(known)));
  const found = { client, cached, revision };
  if (settings.offline) {
    if (there) return { ...found, commit: known, online: false };
    throw new UserError(
      `${nameOf(repo, revision)}: found nothing in the cache (${cached.folder}), and HF_HUB_OFFLINE is set; ` +
        'expected a repository that was downloaded before',
    );
  }
  // A commit is what it is.
  if (there && isCommit(revision)) return { ...found, commit: revision, online: true };
  try {
    const commit = await commitOf(client, repo, revision, { signal, ...(there && { tries: 2 }) });
    return { ...found, commit, online: true };
  } catch (error) {
    if (!(there && error instanceof HubError && error.unreachable)) throw error;
    onNote?.(`${error.message}; using what the cache has of ${repo.id}, commit ${known.slice(0, 7)}`);
    return { ...found, commit: known, online: false };
  }
}

/**
 * Downloads the wanted files of a repository. Files that the cache has are not fetched; a download that broke off goes on.
 * @throws UserError where the hub refuses, or the cache cannot be written, in one line
 */
export async function download(repo: Repo, options: DownloadOptions = {}): Promise<Snapshot> {
  const resolved = await resolveRevision(repo, options);
  const { cached, commit, online, client, revision } = resolved;
  const snapshot = { repo, revision, commit, folder: cached.snapshot(commit) };
  if (!online) return { ...snapshot, files: undefined, fetched: 0 };
  const all = await filesOf(client, repo, commit, options.signal);
  const isWanted = globTest(options.files ?? []);
  const files = all.filter(({ path }) => isWanted(path));
  if (files.length === 0 && all.length > 0)
    throw new UserError(
      `${nameOf(repo, revision)}: found no file like ${options.files?.join(' ')}; it has ${all
        .slice(0, 4)
        .map(({ path }) => path)
        .join(', ')}${all.length > 4 ? ' …' : ''}`,
    );
  const fetched = await fetchFiles(resolved, files, options);
  await cached.writeRef(revision, commit);
  return { ...snapshot, files, fetched };
}

/** Fetches the files of a commit that its snapshot lacks. @returns bytes that had to be fetched */
export async function fetchFiles(
  from: RepoCommit,
  files: readonly HubFile[],
  { signal, onNote, onProgress }: Pick<DownloadOptions, 'signal' | 'onNote' | 'onProgress'>,
): Promise<number> {
  const { cached, commit } = from;
  const missing: HubFile[] = [];
  for (const file of files) if (!(await cached.has(commit, file))) missing.push(file);
  if (missing.length === 0) return 0;
  const sizes = new Map<string, number>();
  for (const file of missing) sizes.set(file.etag, await bytesThere(cached, file));
  const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
  const whole = new Map(missing.map(({ etag, size }) => [etag, size]));
  const total = sum(whole.values());
  const resumed = sum(sizes.values());
  await checkRoom(cached, total - resumed);
  await markCache(cached.cache);
  const stage = `downloading ${cached.repo.id}`;
  let done = resumed;
  const show = (note?: string): void =>
    onProgress?.({ stage, done: Math.min(done, total), total, resumed, unit: 'bytes', note });
  if (total > 0) show();
  await inParallel(missing, PARALLEL, signal, async (file, stop) => {
    await fetchBlob(from, file, {
      signal: stop,
      onNote,
      onSize: (size) => {
        done += size - (sizes.get(file.etag) ?? 0);
        sizes.set(file.etag, size);
        // The last byte is counted when it is checked.
        if (done < total) show(file.path);
      },
    });
    await cached.link(commit, file);
  });
  done = total;
  if (total > 0) show('');
  return total - resumed;
}

/** @throws UserError where the disk has no room */
async function checkRoom({ cache, repo }: CachedRepo, bytes: number): Promise<void> {
  const free = await freeDisk(cache);
  if (!(free < bytes)) return;
  throw new UserError(
    `${cache}: found ${formatBytes(free)} free on its disk; expected ${formatBytes(bytes)} for ${repo.id}; ` +
      'HF_HOME names another place',
  );
}
