/** What a repository holds at a revision: its commit, and its files. */
import { createHash, type Hash } from 'node:crypto';
import { printable } from '../report/escape.ts';
import { type HubClient, HubError } from './client.ts';
import { checkedPath, isCommit, nameOf, type Repo } from './names.ts';

export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Name of its blob in the cache: the SHA-256 of a large file, git's SHA-1 of a small one, else an id of the server's. */
  readonly etag: string;
  /** How the content is checked; undefined where the server gives no hash of it. */
  readonly hash: 'sha256' | 'git' | undefined;
}

/** A hash that becomes git's of a file of this size. */
export const gitBlobHash = (size: number): Hash => createHash('sha1').update(`blob ${size}\0`);

/** A repository cannot have more, and a server must not fill the memory. */
const MAX_FILES = 1_000_000;

/** The commit that a branch or tag stands for. @throws HubError */
export async function commitOf(
  client: HubClient,
  repo: Repo,
  revision: string,
  options: { signal?: AbortSignal | undefined; tries?: number } = {},
): Promise<string> {
  const what = nameOf(repo, revision);
  const url = `${client.api(repo)}/revision/${encodeURIComponent(revision)}`;
  const { value } = await client.json(url, { what, repo, ...options });
  const { sha } = (value ?? {}) as { sha?: unknown };
  // It becomes the name of a folder.
  if (typeof sha !== 'string' || !isCommit(sha))
    throw new HubError(`${what}: found ${shown(sha)} for the commit; expected 40 hexadecimal digits`, 200);
  return sha;
}

/** Files of a commit, in the order of their paths. Those with names that lead out of the folder are refused. */
export async function filesOf(
  client: HubClient,
  repo: Repo,
  commit: string,
  signal?: AbortSignal,
): Promise<HubFile[]> {
  const files = new Map<string, HubFile>();
  const seen = new Set<string>();
  let url: string | undefined = `${client.api(repo)}/tree/${commit}?recursive=true`;
  while (url !== undefined) {
    if (seen.has(url))
      throw new HubError(`${repo.id}: found a list of files that goes round in a circle`, 200);
    seen.add(url);
    const page: { value: unknown; headers: Headers } = await client.json(url, {
      what: repo.id,
      repo,
      signal,
    });
    if (!Array.isArray(page.value))
      throw new HubError(`${repo.id}: found ${shown(page.value)}; expected a list of files`, 200);
    for (const entry of page.value) {
      const file = fileOf(repo, entry);
      if (file) files.set(file.path, file);
    }
    if (files.size > MAX_FILES)
      throw new HubError(`${repo.id}: found more than ${MAX_FILES} files; expected fewer`, 200);
    url = nextPage(page.headers, url);
  }
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function fileOf(repo: Repo, entry: unknown): HubFile | undefined {
  const { type, path, size, oid, lfs, xetHash } = (entry ?? {}) as Record<string, unknown>;
  if (type !== 'file') return undefined;
  const checked = checkedPath(repo, path);
  const large = lfs as { oid?: unknown; size?: unknown } | undefined | null;
  const bytes = large ? large.size : size;
  const etag = large ? large.oid : (xetHash ?? oid);
  const is = (digits: number): boolean =>
    typeof etag === 'string' && new RegExp(`^[0-9a-f]{${digits}}$`).test(etag);
  // It becomes the name of a file.
  if (!(large ? is(64) : is(40) || is(64)) || !Number.isSafeInteger(bytes) || (bytes as number) < 0)
    throw new HubError(
      `${repo.id}: ${printable(checked)}: found the hash ${shown(etag)} and ${shown(bytes)} bytes; expected a hash and a size`,
      200,
    );
  return {
    path: checked,
    size: bytes as number,
    etag: etag as string,
    hash: large ? 'sha256' : is(40) ? 'git' : undefined,
  };
}

/** Link: <https://…?cursor=…>; rel="next" (RFC 8288) */
function nextPage(headers: Headers, url: string): string | undefined {
  const next = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(headers.get('link') ?? '')?.[1];
  return next !== undefined && URL.canParse(next, url) ? new URL(next, url).href : undefined;
}

const shown = (value: unknown): string => printable(JSON.stringify(value) ?? 'nothing');
