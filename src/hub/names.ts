/** Names of the Hugging Face hub: repositories, revisions, and files that a server gives. */
import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { UserError } from '../errors.ts';
import { printable } from '../report/escape.ts';

export type RepoType = 'model' | 'dataset';

export interface Repo {
  readonly type: RepoType;
  /** "owner/name"; of some old ones only a name. */
  readonly id: string;
}

/** The branch of a new repository. */
export const DEFAULT_REVISION = 'main';

/** Longest id that the hub allows. */
const MAX_ID = 96;
const MAX_REVISION = 200;

const COMMIT = /^[0-9a-f]{40}$/;
export const isCommit = (revision: string): boolean => COMMIT.test(revision);

/** A part of an id: no dot or dash at its ends, none twice (huggingface_hub's validate_repo_id). */
const isIdPart = (part: string): boolean =>
  /^[\w.-]+$/.test(part) && !/^[-.]|[-.]$|--|\.\./.test(part) && !part.endsWith('.git');

/** What is wrong with an id; undefined where nothing is. */
function faultOfId(id: string): string | undefined {
  const parts = id.split('/');
  if (id.length > MAX_ID) return `${id.length} characters`;
  return parts.length <= 2 && parts.every(isIdPart) ? undefined : `"${printable(id)}"`;
}

/** @throws UserError where it is no name of a repository, such as openai/whisper-small */
export function repoOf(id: string, type: RepoType): Repo {
  const fault = faultOfId(id);
  if (fault !== undefined)
    throw new UserError(
      `found ${fault}; expected a ${type} of the hub, owner/name, such as ${type === 'model' ? 'openai/whisper-small' : 'google/fleurs'}`,
    );
  return { type, id };
}

/** Parses "owner/name" or "owner/name@revision". @throws UserError where it is neither */
export function parseRepo(text: string, type: RepoType): { repo: Repo; revision: string | undefined } {
  const at = text.indexOf('@');
  const repo = repoOf(at < 0 ? text : text.slice(0, at), type);
  return { repo, revision: at < 0 ? undefined : checkedRevision(text.slice(at + 1)) };
}

/** The name of a repository at a revision, as {@link parseRepo} takes it. */
export const nameOf = ({ id }: Repo, revision: string): string =>
  revision === DEFAULT_REVISION ? id : `${id}@${revision}`;

/** Checks a branch, tag or commit: it becomes a path in the cache. @throws UserError */
export function checkedRevision(revision: string): string {
  // git's own rules (git check-ref-format), which leave no way out of a folder.
  const isRef =
    revision.length <= MAX_REVISION &&
    !/[\s~^:?*[\\]|\.\.|@\{/.test(revision) &&
    !hasControl(revision) &&
    revision.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
  if (!isRef)
    throw new UserError(
      `revision: found "${printable(revision)}"; expected a branch, a tag or a commit, such as main`,
    );
  return revision;
}

/**
 * Whether a text names a repository of the hub, "owner/name" or "owner/name@revision", and no folder here.
 * @param folder the path that it would be
 */
export function isHubName(text: string, folder = text): boolean {
  const [id = '', ...rest] = text.split('@');
  return id.includes('/') && faultOfId(id) === undefined && rest.length <= 1 && !existsSync(folder);
}

/**
 * The path of a file in a repository, as the server has it.
 * @throws UserError where it would lead out of the folder, or is no name
 */
export function checkedPath(repo: Repo, path: unknown): string {
  const isInside =
    typeof path === 'string' &&
    path.length < 4096 &&
    !/[\\]|^[a-z]:/i.test(path) &&
    !hasControl(path) &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!isInside)
    throw new UserError(
      `${repo.id}: found a file named ${printable(JSON.stringify(path) ?? 'nothing')} on the server, ` +
        'which would be written outside of its folder; expected names inside: refused',
    );
  return path;
}

/** Control characters, NUL among them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const hasControl = (text: string): boolean => /[\u0000-\u001f\u007f]/.test(text);

/** The name of a repository's folder in the cache: models--openai--whisper-small. */
export const folderName = ({ type, id }: Repo): string => `${type}s--${id.replaceAll('/', '--')}`;

/** The repository of a folder in the cache; undefined for other folders. */
export function repoOfFolder(name: string): Repo | undefined {
  const [kind, ...parts] = name.split('--');
  const id = parts.join('/');
  if ((kind !== 'models' && kind !== 'datasets') || faultOfId(id) !== undefined) return undefined;
  return { type: kind === 'models' ? 'model' : 'dataset', id };
}

/**
 * The repository and commit of a folder in the cache, by its path: …/models--openai--whisper-small/snapshots/<commit>.
 * Undefined for other folders.
 */
export function repoOfSnapshot(folder: string): { repo: Repo; commit: string } | undefined {
  const commit = basename(folder);
  const snapshots = dirname(folder);
  if (!isCommit(commit) || basename(snapshots) !== 'snapshots') return undefined;
  const repo = repoOfFolder(basename(dirname(snapshots)));
  return repo && { repo, commit };
}

/** The name of a model, pinned to its commit, of a folder in the cache; other folders are named by their paths. */
export function modelName(folder: string): string {
  const found = repoOfSnapshot(folder);
  return found ? nameOf(found.repo, found.commit) : folder;
}
