/**
 * Locks: one run at a time writes into an output. A lock is a file beside or in it that names the process; that of a process
 * that is gone is taken over. Created by an exclusive open, which also holds on network file systems.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import {
  mkdir,
  open,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { UserError } from '../errors.ts';
import { exists } from './read.ts';
import { createFolder, shortName, writing } from './write-whole.ts';

/** Name of the lock in a folder. */
export const FOLDER_LOCK = 'run.lock';

/** A holder renews its lock so often; another host takes over one that is not renewed in the longer time. */
const RENEWAL_MS = 5_000;
const RENEWAL_WAIT_MS = 30_000;
/** Longest time between the creation of a lock and its content. */
const CONTENT_WAIT_MS = 2_000;

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Start of the process, as the system has it: the id alone may be another process by now. */
  readonly started: string | undefined;
  readonly since: string;
}

export interface LockOptions {
  /** Reports that the lock of a run on another machine is watched. */
  readonly onNote?: ((note: string) => void) | undefined;
}

/**
 * Runs work that writes into a folder, which is created, and removed where it stays empty. Within this process, runs wait for each other.
 * @throws UserError where another process writes into it, or it cannot be written
 */
export async function lockFolder<T>(
  folder: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const created = await createFolder(folder);
  try {
    return await whileLocked(folder, join(folder, FOLDER_LOCK), work, options);
  } finally {
    for (let path = resolve(folder); created && path.length >= created.length; path = dirname(path)) {
      await rmdir(path).catch(() => {});
    }
  }
}

/**
 * Runs work that writes a file, and creates missing folders above it. Within this process, runs wait for each other.
 * @throws UserError where another process writes it, or it cannot be written
 */
export async function lockFile<T>(
  file: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const found = await stat(file).catch(() => undefined);
  // A device, such as /dev/stdout, has no file beside it.
  if (found && !found.isFile()) return work();
  const folder = dirname(file);
  await writing(file, () => mkdir(folder, { recursive: true }));
  return whileLocked(file, join(folder, `${shortName(basename(file))}.lock`), work, options);
}

/** Locks of this process, by their path: the end of the last run that asked for it. */
const held = new Map<string, Promise<unknown>>();

async function whileLocked<T>(
  output: string,
  path: string,
  work: () => Promise<T>,
  options: LockOptions,
): Promise<T> {
  const lock = join(await realpath(dirname(resolve(path))), basename(path));
  const run = (held.get(lock) ?? Promise.resolve()).then(async () => {
    await acquire(output, lock, options);
    const renewal = setInterval(() => {
      const now = new Date();
      utimes(lock, now, now).catch(() => {});
    }, RENEWAL_MS).unref();
    const release = () => rmSync(lock, { force: true });
    process.once('exit', release);
    try {
      return await work();
    } finally {
      clearInterval(renewal);
      process.off('exit', release);
      await rm(lock, { force: true }).catch(() => {});
    }
  });
  const ended = run.catch(() => {});
  held.set(lock, ended);
  ended.finally(() => {
    if (held.get(lock) === ended) held.delete(lock);
  });
  return run;
}

async function acquire(output: string, lock: string, { onNote }: LockOptions): Promise<void> {
  const own: Owner = {
    pid: process.pid,
    host: hostname(),
    started: await startOf(process.pid),
    since: new Date().toISOString(),
  };
  while (!(await create(output, lock, `${JSON.stringify(own)}\n`))) {
    const text = await contentOf(lock);
    // Released meanwhile.
    if (text === undefined) continue;
    const owner = parsed(text);
    if (owner && (await isRunning(owner, lock, onNote))) {
      const where = owner.host === own.host ? '' : ` on ${owner.host}`;
      throw new UserError(
        `${output}: the run with process id ${owner.pid}${where} writes into it since ${owner.since}; ` +
          'expected another output, or to wait for its end',
      );
    }
    await takeAway(lock, text);
  }
}

/** @returns false where there is one */
async function create(output: string, lock: string, text: string): Promise<boolean> {
  return writing(output, async () => {
    const file = await open(lock, 'wx').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return undefined;
      throw error;
    });
    if (!file) return false;
    try {
      await file.writeFile(text);
    } catch (error) {
      await rm(lock, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return true;
  });
}

/** The lock's content, which comes a moment after the file; undefined where it is gone. */
async function contentOf(lock: string): Promise<string | undefined> {
  for (let waited = 0; ; waited += 100) {
    const text = await readFile(lock, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined || text.endsWith('\n') || waited > CONTENT_WAIT_MS) return text;
    await wait(100);
  }
}

function parsed(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Owner;
    return Number.isSafeInteger(owner.pid) && owner.pid > 0 ? owner : undefined;
  } catch {
    return undefined;
  }
}

async function isRunning(
  { pid, host, started }: Owner,
  lock: string,
  onNote: LockOptions['onNote'],
): Promise<boolean> {
  if (host !== hostname()) {
    onNote?.(`${lock}: of a run on ${host}; looking for ${RENEWAL_WAIT_MS / 1000} s whether it is alive`);
    return isRenewed(lock);
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is another user's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const found = await startOf(pid);
  return found !== 'ended' && (started === undefined || found === undefined || found === started);
}

/** Whether the lock's time changes: no clock is compared with another machine's. */
async function isRenewed(lock: string): Promise<boolean> {
  const timeOf = () =>
    stat(lock).then(
      ({ mtimeMs }) => mtimeMs,
      () => undefined,
    );
  const before = await timeOf();
  for (let waited = 0; waited < RENEWAL_WAIT_MS; waited += RENEWAL_MS) {
    await wait(RENEWAL_MS);
    const now = await timeOf();
    if (now === undefined) return false;
    if (now !== before) return true;
  }
  return false;
}

/** Removes a lock of this content; one that another run put in its place meanwhile is put back. */
async function takeAway(lock: string, text: string): Promise<void> {
  const away = join(dirname(lock), `${randomUUID()}.lock`);
  try {
    await writing(lock, () => rename(lock, away));
  } catch (error) {
    // Another run has taken it.
    if (await exists(lock)) throw error;
    return;
  }
  const found = await readFile(away, 'utf8');
  if (found !== text) await writeFile(lock, found, { flag: 'wx' }).catch(() => {});
  await rm(away);
}

/** When a process started; 'ended' for one that only waits to be reaped; undefined where the system does not say. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') {
      const line = await readFile(`/proc/${pid}/stat`, 'latin1');
      // After the name in brackets, which may have blanks: state, …, start in clock ticks (the 22nd field).
      const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? 'ended' : fields[19];
    }
    if (process.platform === 'win32') return undefined;
    return (await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)])).stdout.trim();
  } catch {
    return undefined;
  }
}
