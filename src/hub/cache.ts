/**
 * The cache on disk, as huggingface_hub lays it out and shares it:
 *
 * ```
 * models--owner--name/refs/main              the commit
 *                     blobs/<etag>           the content
 *                     snapshots/<commit>/…   relative links to blobs
 *                     .no_exist/<commit>/…   files that the commit is known not to have
 * .locks/models--owner--name/<etag>.lock
 * ```
 */
import { copyFile, mkdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { exists } from '../files/read.ts';
import { replaceWhole, writeWhole, writing } from '../files/write-whole.ts';
import { folderName, isCommit, type Repo } from './names.ts';
import type { HubFile } from './tree.ts';

/** The folders of a repository in the cache. */
export class CachedRepo {
  readonly folder: string;

  constructor(
    readonly cache: string,
    readonly repo: Repo,
  ) {
    this.folder = join(cache, folderName(repo));
  }

  blob(etag: string): string {
    return join(this.folder, 'blobs', etag);
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  /** The lock that Python's processes take for a blob. */
  lock(etag: string): string {
    return join(this.cache, '.locks', folderName(this.repo), `${etag}.lock`);
  }

  /** The commit of a branch or tag when it was last asked; of a commit itself. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.folder, 'refs', revision), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    // Without an end of line, as Python writes it.
    await writeWhole(join(this.folder, 'refs', revision), commit);
  }

  /** Notes that a commit lacks a file: offline, Python's libraries need not ask for it. */
  async writeAbsent(commit: string, path: string): Promise<void> {
    if (!(await this.isAbsent(commit, path))) await writeWhole(this.#absent(commit, path), '');
  }

  isAbsent(commit: string, path: string): Promise<boolean> {
    return exists(this.#absent(commit, path));
  }

  #absent(commit: string, path: string): string {
    return join(this.folder, '.no_exist', commit, path);
  }

  /** Whether a snapshot has a file, whole. */
  async has(commit: string, file: HubFile): Promise<boolean> {
    const path = join(this.snapshot(commit), file.path);
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== file.size) return false;
    const target = await readlink(path).catch(() => undefined);
    return target === undefined || target === this.#target(path, file.etag);
  }

  /** Gives a blob its name in a snapshot. */
  async link(commit: string, file: HubFile): Promise<void> {
    const path = join(this.snapshot(commit), file.path);
    const blob = this.blob(file.etag);
    await writing(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      if ((await readlink(path).catch(() => undefined)) === this.#target(path, file.etag)) return;
      await replaceWhole(path, async (incomplete) => {
        try {
          await symlink(this.#target(path, file.etag), incomplete);
        } catch (error) {
          // Windows without the right to make links.
          if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? ''))
            throw error;
          await copyFile(blob, incomplete);
        }
      });
    });
  }

  #target(path: string, etag: string): string {
    return relative(dirname(path), this.blob(etag));
  }
}

const CACHE_TAG = 'CACHEDIR.TAG';

/** Marks the cache for programs that make backups (https://bford.info/cachedir/), as Python does. */
export async function markCache(cache: string): Promise<void> {
  const file = join(cache, CACHE_TAG);
  if (await exists(file)) return;
  await mkdir(cache, { recursive: true });
  const text =
    'Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a cache of the Hugging Face hub.\n# https://bford.info/cachedir/\n';
  await writeFile(file, text, { flag: 'wx' }).catch(() => {});
}
