/**
 * Uploads files to a repository of the Hugging Face hub, in one commit: what it has already is not sent. Large files go by the
 * protocol of Git LFS (batch API, `basic` and the hub's `multipart`), small ones in the commit itself.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { printable } from '../report/escape.ts';
import { formatBytes } from '../report/format.ts';
import type { WorkOptions } from '../report/progress.ts';
import { HubClient, HubError, WRITE_PATIENCE } from './client.ts';
import { DEFAULT_REVISION, type Repo } from './names.ts';
import { putBytes } from './put.ts';
import { type HubSettings, hubSettings } from './settings.ts';
import { commitOf, filesOf, gitBlobHash } from './tree.ts';

/** A file to upload. */
export interface PushedFile {
  /** In the repository. */
  readonly path: string;
  readonly file: string;
}

export interface PushOptions extends Omit<WorkOptions, 'onSkip'> {
  /** Of a repository that is created now. */
  readonly isPrivate?: boolean | undefined;
  /** First line of the commit's message. */
  readonly message: string;
  readonly settings?: HubSettings | undefined;
}

export interface Pushed {
  /** Of the repository's page. */
  readonly url: string;
  readonly commit: string;
  /** Whether the repository was created. */
  readonly created: boolean;
  /** Files that changed, and bytes that had to be sent. */
  readonly changed: readonly string[];
  readonly sent: number;
}

interface Measured extends PushedFile {
  readonly size: number;
  readonly sha256: string;
  /** As git names a blob. */
  readonly git: string;
  /** Base64 of its first bytes, by which the hub tells text from other content. */
  readonly sample: string;
}

const SAMPLE_BYTES = 512;
/** Files of one question. */
const PREUPLOAD_FILES = 256;
const BATCH_FILES = 100;
const JSON_TYPE = { 'content-type': 'application/json' };
const LFS_TYPE = { 'content-type': 'application/vnd.git-lfs+json', accept: 'application/vnd.git-lfs+json' };

/** Checks the token before anything is sent. @throws UserError where it cannot write */
export async function checkToken(settings: HubSettings, signal?: AbortSignal): Promise<void> {
  if (settings.offline)
    throw new UserError('HF_HUB_OFFLINE: found it set; expected it off, to push to the hub');
  if (settings.token === undefined)
    throw new UserError(
      `found no token of the hub; expected one that may write, from ${settings.endpoint}/settings/tokens, in HF_TOKEN or saved by \`hf auth login\``,
    );
  const client = new HubClient(settings);
  const { value } = await client.json(`${settings.endpoint}/api/whoami-v2`, { what: 'token', signal });
  const { name, auth } = (value ?? {}) as { name?: unknown; auth?: { accessToken?: { role?: unknown } } };
  if (typeof name !== 'string')
    throw new HubError('token: found an answer without a name; expected an account', 200);
  if (auth?.accessToken?.role === 'read')
    throw new UserError(
      `token: found one of ${printable(name)} that only reads; expected one that may write, from ${settings.endpoint}/settings/tokens`,
    );
}

/**
 * Uploads files in one commit on main; creates the repository where there is none. Files of the repository that are not among them
 * stay.
 * @throws UserError with what the hub refused, in one line
 */
export async function push(repo: Repo, files: readonly PushedFile[], options: PushOptions): Promise<Pushed> {
  const settings = options.settings ?? (await hubSettings());
  const { signal, onNote, onProgress } = options;
  await checkToken(settings, signal);
  const client = new HubClient(settings, { onNote });
  const created = await create(client, repo, options);
  const parent = await commitOf(client, repo, DEFAULT_REVISION, { signal });
  const there = new Map((await filesOf(client, repo, parent, signal)).map((file) => [file.path, file]));
  const measured: Measured[] = [];
  for (const file of files) {
    signal?.throwIfAborted();
    measured.push(await measure(file));
  }
  const changed = measured.filter(
    ({ path, sha256, git }) => ![sha256, git].includes(there.get(path)?.etag ?? ''),
  );
  const url = client.page(repo);
  if (changed.length === 0) return { url, commit: parent, created, changed: [], sent: 0 };
  const { large, small } = await uploadModes(client, repo, changed, options);
  const sent = await sendLarge(client, repo, large, { signal, onProgress, onNote });
  const lines: object[] = [
    { key: 'header', value: { summary: options.message, description: '', parentCommit: parent } },
  ];
  for (const { path, file } of small) {
    const content = (await readFile(file)).toString('base64');
    lines.push({ key: 'file', value: { path, content, encoding: 'base64' } });
  }
  for (const { path, sha256, size } of large)
    lines.push({ key: 'lfsFile', value: { path, algo: 'sha256', oid: sha256, size } });
  const { value } = await client
    .json(`${client.api(repo)}/commit/${DEFAULT_REVISION}`, {
      ...{ what: repo.id, repo, signal, method: 'POST' as const },
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.map((line) => JSON.stringify(line)).join('\n'),
    })
    .catch((error: unknown) => {
      if (!(error instanceof HubError && (error.status === 409 || error.status === 412))) throw error;
      throw new UserError(
        `${repo.id}: changed on the hub meanwhile; push again: what was sent is kept there`,
      );
    });
  const { commitOid } = (value ?? {}) as { commitOid?: unknown };
  if (typeof commitOid !== 'string')
    throw new HubError(
      `${repo.id}: found no commit in the answer; expected commitOid: ${printable(JSON.stringify(value))}`,
      200,
    );
  const ofSmall = small.reduce((sum, { size }) => sum + size, 0);
  return { url, commit: commitOid, created, changed: changed.map(({ path }) => path), sent: sent + ofSmall };
}

/** @returns whether it was created now */
async function create(client: HubClient, repo: Repo, { isPrivate, signal }: PushOptions): Promise<boolean> {
  const [organization, name] = repo.id.split('/');
  const answer = await client.repeated({ what: repo.id, signal }, () =>
    client.open(`${client.settings.endpoint}/api/repos/create`, {
      ...{ what: repo.id, signal, method: 'POST' as const, headers: JSON_TYPE, accepts: [409] },
      body: JSON.stringify({ name, organization, type: repo.type, private: Boolean(isPrivate) }),
    }),
  );
  for await (const _ of answer.body());
  return answer.status !== 409;
}

async function measure({ path, file }: PushedFile): Promise<Measured> {
  const { size } = await stat(file);
  const sha256 = createHash('sha256');
  const git = gitBlobHash(size);
  let sample = '';
  for await (const bytes of createReadStream(file, { highWaterMark: 1 << 20 })) {
    sha256.update(bytes);
    git.update(bytes);
    sample ||= (bytes as Buffer).toString('base64', 0, SAMPLE_BYTES);
  }
  return { path, file, size, sha256: sha256.digest('hex'), git: git.digest('hex'), sample };
}

/** Which files go by LFS, as the hub decides. */
async function uploadModes(
  client: HubClient,
  repo: Repo,
  files: readonly Measured[],
  { signal, onNote }: PushOptions,
): Promise<{ large: Measured[]; small: Measured[] }> {
  const modes = new Map<string, unknown>();
  for (let from = 0; from < files.length; from += PREUPLOAD_FILES) {
    const asked = files.slice(from, from + PREUPLOAD_FILES);
    const { value } = await client.json(`${client.api(repo)}/preupload/${DEFAULT_REVISION}`, {
      ...{ what: repo.id, repo, signal, method: 'POST' as const, headers: JSON_TYPE },
      body: JSON.stringify({ files: asked.map(({ path, size, sample }) => ({ path, size, sample })) }),
    });
    const answered = (
      value as { files?: { path: string; uploadMode: string; shouldIgnore?: boolean }[] } | null
    )?.files;
    for (const { path, uploadMode, shouldIgnore } of answered ?? []) {
      modes.set(path, shouldIgnore ? 'ignored' : uploadMode);
      if (shouldIgnore) onNote?.(`${path}: not sent: the repository's .gitignore names it`);
    }
  }
  const odd = files.find(({ path }) => !['lfs', 'regular', 'ignored'].includes(String(modes.get(path))));
  if (odd)
    throw new HubError(
      `${repo.id}: ${odd.path}: found the way of upload ${printable(String(modes.get(odd.path)))}; expected lfs or regular`,
      200,
    );
  const of = (mode: string): Measured[] => files.filter(({ path }) => modes.get(path) === mode);
  return { large: of('lfs'), small: of('regular') };
}

interface UploadAction {
  readonly href: string;
  readonly header?: Readonly<Record<string, string>>;
}

/** Sends large files that the hub does not have. @returns bytes that were sent */
async function sendLarge(
  client: HubClient,
  repo: Repo,
  files: readonly Measured[],
  { signal, onNote, onProgress }: Pick<PushOptions, 'signal' | 'onNote' | 'onProgress'>,
): Promise<number> {
  const actions: { file: Measured; upload: UploadAction; verify: UploadAction | undefined }[] = [];
  for (let from = 0; from < files.length; from += BATCH_FILES) {
    const asked = files.slice(from, from + BATCH_FILES);
    const { value } = await client.json(`${client.page(repo)}.git/info/lfs/objects/batch`, {
      ...{ what: repo.id, repo, signal, method: 'POST' as const, headers: LFS_TYPE },
      body: JSON.stringify({
        ...{ operation: 'upload', transfers: ['basic', 'multipart'], hash_algo: 'sha256' },
        ref: { name: `refs/heads/${DEFAULT_REVISION}` },
        objects: asked.map(({ sha256, size }) => ({ oid: sha256, size })),
      }),
    });
    for (const object of (value as { objects?: LfsObject[] } | null)?.objects ?? []) {
      const file = asked.find(({ sha256 }) => sha256 === object.oid);
      if (object.error)
        throw new HubError(
          `${repo.id}: ${file?.path ?? printable(String(object.oid))}: the hub does not take it: ${printable(String(object.error.message))}`,
          object.error.code,
        );
      const { upload, verify } = object.actions ?? {};
      if (file && upload) actions.push({ file, upload, verify });
    }
  }
  const total = actions.reduce((sum, { file }) => sum + file.size, 0);
  const here = files.length - actions.length;
  if (here > 0 && files.length > 0)
    onNote?.(
      `${here} of ${files.length} large files are at the hub already${total > 0 ? `; ${formatBytes(total)} to send` : ''}`,
    );
  let done = 0;
  for (const { file, upload, verify } of actions) {
    const before = done;
    const show = (note?: string): void =>
      onProgress?.({
        stage: `uploading to ${repo.id}`,
        done: Math.min(done, total),
        total,
        unit: 'bytes',
        note,
      });
    show(file.path);
    await sendOne(client, repo, file, upload, {
      signal,
      onPosition: (bytes) => {
        done = before + bytes;
        if (done < total) show(file.path);
      },
    });
    if (verify)
      await post(client, verify.href, { what: `${repo.id}: ${file.path}`, signal }, JSON_TYPE, {
        oid: file.sha256,
        size: file.size,
      });
    done = before + file.size;
    show('');
  }
  return total;
}

interface LfsObject {
  readonly oid: string;
  readonly actions?: { readonly upload?: UploadAction; readonly verify?: UploadAction };
  readonly error?: { readonly code?: number; readonly message?: string };
}

async function sendOne(
  client: HubClient,
  repo: Repo,
  { path, file, size, sha256 }: Measured,
  { href, header = {} }: UploadAction,
  { signal, onPosition }: { signal?: AbortSignal | undefined; onPosition: (bytes: number) => void },
): Promise<void> {
  const asked = { what: `${repo.id}: ${path}`, signal };
  const send = (url: string, start: number, end: number): Promise<string> =>
    client.repeated(asked, () => {
      let sent = 0;
      const onSent = (bytes: number): void => onPosition(start + (sent += bytes));
      const timeout = WRITE_PATIENCE * client.settings.timeout;
      return putBytes(checkedAddress(asked.what, url), { ...asked, file, start, end, timeout, onSent });
    });
  if (header.chunk_size === undefined) {
    await send(href, 0, size);
    return;
  }
  const part = Number(header.chunk_size);
  const urls = Object.entries(header)
    .filter(([name]) => /^\d+$/.test(name))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, url]) => url);
  if (!(part > 0) || urls.length !== Math.ceil(size / part))
    throw new HubError(
      `${asked.what}: found ${urls.length} addresses for parts of ${printable(String(header.chunk_size))} bytes; expected them for ${size} bytes`,
      200,
    );
  const parts: { partNumber: number; etag: string }[] = [];
  for (const [i, url] of urls.entries()) {
    const etag = await send(url, i * part, Math.min(size, (i + 1) * part));
    parts.push({ partNumber: i + 1, etag });
  }
  await post(client, href, asked, LFS_TYPE, { oid: sha256, parts });
}

/** Posts JSON whose answer says nothing. */
async function post(
  client: HubClient,
  url: string,
  asked: { what: string; signal?: AbortSignal | undefined },
  headers: Readonly<Record<string, string>>,
  body: object,
): Promise<void> {
  await client.repeated(asked, async () => {
    const address = checkedAddress(asked.what, url);
    const answer = await client.open(address, {
      ...asked,
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    for await (const _ of answer.body());
  });
}

function checkedAddress(what: string, url: string): string {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new HubError(`${what}: found "${printable(String(url))}"; expected an address to send it to`, 200);
}
