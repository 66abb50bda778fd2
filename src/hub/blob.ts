/** Downloads one file into the cache: goes on where an earlier download broke off, and checks size and hash. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../errors.ts';
import { lockFile } from '../files/lock.ts';
import { writing } from '../files/write-whole.ts';
import { printable } from '../report/escape.ts';
import type { CachedRepo } from './cache.ts';
import { type Answer, type Asked, Broken, type HubClient, HubError } from './client.ts';
import { withPythonLock } from './python-lock.ts';
import { gitBlobHash, type HubFile } from './tree.ts';

export interface BlobOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onNote?: ((note: string) => void) | undefined;
  /** Called with the bytes of the file that are there. */
  readonly onSize?: ((bytes: number) => void) | undefined;
}

/** A commit of a repository: at the hub, and in the cache. */
export interface RepoCommit {
  readonly client: HubClient;
  readonly cached: CachedRepo;
  readonly commit: string;
}

/** Below, to start a program for Python's lock takes longer than what it saves where a Python program fetches the file, too. */
const SMALL = 100_000;

/** Of a download under way. Not Python's name, which its older versions append to without a lock of ours. */
const INCOMPLETE = '.whisper-transfer.incomplete';

export const isIncomplete = (name: string): boolean => name.endsWith('.incomplete');

/** Bytes of a file that an earlier, broken download left, or all of them. */
export async function bytesThere(cached: CachedRepo, file: HubFile): Promise<number> {
  const whole = await sizeOf(cached.blob(file.etag));
  if (whole === file.size) return whole;
  return Math.min(file.size, (await sizeOf(cached.blob(file.etag) + INCOMPLETE)) ?? 0);
}

/**
 * Makes sure that a file's blob is in the cache. One process at a time downloads it; others wait, and find it.
 * @throws UserError where it cannot be had, or is not what the hub says it is
 */
export async function fetchBlob(from: RepoCommit, file: HubFile, options: BlobOptions): Promise<void> {
  const { cached } = from;
  const blob = cached.blob(file.etag);
  if ((await sizeOf(blob)) === file.size) return;
  const { signal, onNote } = options;
  const lock = cached.lock(file.etag);
  const work = async (): Promise<void> => {
    const there = await sizeOf(blob);
    if (there === file.size) options.onSize?.(there);
    else await download(from, file, options);
  };
  const isSmall = file.size < SMALL;
  await lockFile(
    lock.replace(/\.lock$/, '.whisper-transfer'),
    () => (isSmall ? work() : withPythonLock(lock, work, { onNote, signal })),
    { wait: true, signal, onNote },
  );
}

async function download(from: RepoCommit, file: HubFile, options: BlobOptions): Promise<void> {
  const { cached } = from;
  const blob = cached.blob(file.etag);
  const incomplete = blob + INCOMPLETE;
  await writing(blob, () => mkdir(dirname(blob), { recursive: true }));
  for (let wrong = 0; ; wrong++) {
    const hash = await fetchAll(from, file, incomplete, options);
    if (hash === undefined || hash === file.etag) break;
    await rm(incomplete, { force: true });
    const what = `${cached.repo.id}: ${file.path}`;
    if (wrong > 0)
      throw new UserError(
        `${what}: found content with the ${file.hash === 'git' ? 'git hash' : 'SHA-256'} ${hash}, twice; expected ${file.etag}: not kept`,
      );
    options.onNote?.(`${what}: came damaged; fetching it once more`);
  }
  await writing(blob, () => rename(incomplete, blob));
}

/** Fetches what is missing, in as many requests as that takes. @returns the hash of the whole, where the file has one */
async function fetchAll(
  { client, cached, commit }: RepoCommit,
  file: HubFile,
  incomplete: string,
  { signal, onSize }: BlobOptions,
): Promise<string | undefined> {
  const asked: Asked = { what: `${cached.repo.id}: ${file.path}`, repo: cached.repo, signal };
  const encoded = file.path.split('/').map(encodeURIComponent).join('/');
  const url = `${client.page(cached.repo)}/resolve/${commit}/${encoded}`;
  const part = new Part(incomplete, file);
  await part.open();
  try {
    for (let failed = 0; part.size < file.size; ) {
      const before = part.size;
      try {
        // Each time from the hub: the address that it redirects to expires.
        const answer = await client.open(url, {
          ...asked,
          accepts: [416],
          ...(before > 0 && { headers: { range: `bytes=${before}-` } }),
        });
        await take(answer, part, file, asked.what, onSize);
      } catch (error) {
        failed = part.size > before ? 1 : failed + 1;
        await client.pauseAfter(error, failed, asked);
      }
    }
    return await part.end();
  } finally {
    await part.close();
  }
}

async function take(
  answer: Answer,
  part: Part,
  file: HubFile,
  what: string,
  onSize: ((bytes: number) => void) | undefined,
): Promise<void> {
  if (part.size > 0 && answer.status !== 206) {
    await part.restart();
    if (answer.status === 416) {
      answer.close();
      throw new Broken('the server does not go on from where the download broke off');
    }
  }
  if (answer.status === 416) {
    answer.close();
    throw new HubError(`${what}: the server has no bytes to give (416); expected ${file.size}`, 416);
  }
  try {
    checkAnswer(answer, part.size, file, what);
    for await (const bytes of answer.body()) {
      if (part.size + bytes.length > file.size) {
        await part.restart();
        throw new HubError(`${what}: found more than ${file.size} bytes; expected as many: not kept`, 200);
      }
      await part.write(bytes);
      onSize?.(part.size);
    }
  } finally {
    answer.close();
  }
  if (part.size < file.size)
    throw new Broken(`the connection ended after ${part.size} of ${file.size} bytes`);
}

/** Compares an answer with the list of files. */
function checkAnswer(
  { status, headers, hubHeaders }: Answer,
  from: number,
  file: HubFile,
  what: string,
): void {
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (
    status === 206 &&
    (Number(range?.[1]) !== from || (range![2] !== '*' && Number(range![2]) !== file.size))
  )
    throw new HubError(
      `${what}: found the range "${printable(headers.get('content-range') ?? '')}"; expected bytes ${from}- of ${file.size}`,
      status,
    );
  const size = hubHeaders.get('x-linked-size');
  const etag = unquoted(hubHeaders.get('x-linked-etag') ?? '');
  if (
    (size !== null && Number(size) !== file.size) ||
    (etag !== '' && file.hash !== undefined && etag !== file.etag)
  )
    throw new HubError(
      `${what}: found ${size ?? '?'} bytes with the hash ${printable(etag)} at its address; expected ${file.size} bytes with ${file.etag}, as in the list of files`,
      status,
    );
}

/** An ETag (RFC 9110) without W/ and quotes. */
const unquoted = (etag: string): string => etag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1');

/** The part of a file that has come, and the hash of it. */
class Part {
  size = 0;
  #handle: Awaited<ReturnType<typeof open>> | undefined;
  #hash: Hash | undefined;

  constructor(
    private readonly path: string,
    private readonly file: HubFile,
  ) {
    this.#hash = this.#newHash();
  }

  #newHash(): Hash | undefined {
    if (this.file.hash === 'sha256') return createHash('sha256');
    return this.file.hash === 'git' ? gitBlobHash(this.file.size) : undefined;
  }

  async open(): Promise<void> {
    const there = (await sizeOf(this.path)) ?? 0;
    await writing(this.path, async () => {
      this.#handle = await open(this.path, there > this.file.size ? 'w' : 'a');
    });
    if (there > this.file.size) return;
    if (there > 0 && this.#hash)
      for await (const bytes of createReadStream(this.path, { highWaterMark: 1 << 20 }))
        this.#hash.update(bytes);
    this.size = there;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writing(this.path, async () => {
      for (let done = 0; done < bytes.length; )
        done += (await this.#handle!.write(bytes, done, bytes.length - done)).bytesWritten;
    });
    this.#hash?.update(bytes);
    this.size += bytes.length;
  }

  async restart(): Promise<void> {
    await this.#handle!.truncate(0);
    this.#hash = this.#newHash();
    this.size = 0;
  }

  /** Brings all to the disk, before it gets its name. @returns its hash */
  async end(): Promise<string | undefined> {
    await writing(this.path, () => this.#handle!.sync());
    return this.#hash?.digest('hex');
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }
}

const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    (found) => (found.isFile() ? found.size : undefined),
    () => undefined,
  );
