/**
 * Locks: one run at a time writes into an output. A lock is a file beside or in it that names the process; that of a process
 * that is gone is taken over. Created by an exclusive open, which also holds on network file systems.
 */
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { mkdir, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { UserError } from '../errors.ts';
import { createFolder, removeEmpty, removeLeftovers, shortName, writing } from './write-whole.ts';

/** Name of the lock in a folder. */
export const FOLDER_LOCK = 'run.lock';

/** A holder renews its lock so often; another host takes over one that is not renewed in the longer time. */
const RENEWAL_MS = 5_000;
const RENEWAL_WAIT_MS = 30_000;
const POLL_MS = 100;
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
  /** Waits for the run that has the lock, in place of an error. */
  readonly wait?: boolean | undefined;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
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
  return inTurn(join(folder, FOLDER_LOCK), async (lock) => {
    const created = await createFolder(folder);
    const removeMade = () => removeEmpty(folder, created);
    process.once('exit', removeMade);
    try {
      return await whileLocked(
        folder,
        lock,
        async () => {
          await removeLeftovers(folder);
          return work();
        },
        options,
      );
    } finally {
      process.off('exit', removeMade);
      removeMade();
    }
  });
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
  return inTurn(join(dirname(file), `${shortName(basename(file))}.lock`), async (lock) => {
    await writing(file, () => mkdir(dirname(file), { recursive: true }));
    return whileLocked(file, lock, work, options);
  });
}

/** Locks of this process, by their path: the end of the last run that asked for it. */
const held = new Map<string, Promise<unknown>>();

function inTurn<T>(path: string, work: (lock: string) => Promise<T>): Promise<T> {
  const lock = resolve(path);
  const run = (held.get(lock) ?? Promise.resolve()).then(() => work(lock));
  const ended = run.catch(() => {});
  held.set(lock, ended);
  ended.finally(() => {
    if (held.get(lock) === ended) held.delete(lock);
  });
  return run;
}

async function whileLocked<T>(
  output: string,
  lock: string,
  work: () => Promise<T>,
  options: LockOptions,
): Promise<T> {
  const own = await acquire(output, lock, options);
  const renewal = setInterval(() => {
    const now = new Date();
    utimes(lock, now, now).catch(() => {});
  }, RENEWAL_MS).unref();
  // Another machine may have taken it over, after a pause of this process.
  const release = () => {
    try {
      if (readFileSync(lock, 'utf8') === own) rmSync(lock, { force: true });
    } catch {
      // It is gone.
    }
  };
  // Before its folder is removed.
  process.prependOnceListener('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    process.off('exit', release);
    release();
  }
}

/** @returns the content of the lock */
async function acquire(output: string, lock: string, options: LockOptions): Promise<string> {
  const { signal } = options;
  let { onNote } = options;
  const own: Owner = {
    pid: process.pid,
    host: hostname(),
    started: await startOf(process.pid),
    since: new Date().toISOString(),
  };
  const content = `${JSON.stringify(own)}\n`;
  while (!(await create(output, lock, content))) {
    const found = await identityOf(lock);
    const text = await contentOf(lock);
    // Released meanwhile.
    if (text === undefined) continue;
    const owner = parsed(text);
    if (owner && (await isRunning(owner, lock, { onNote, signal }))) {
      const where = owner.host === own.host ? '' : ` on ${owner.host}`;
      if (options.wait) {
        onNote?.(`${output}: waiting for process ${owner.pid}${where}, which writes it`);
        // Once is enough.
        onNote = undefined;
        await wait(POLL_MS, undefined, signal && { signal });
        continue;
      }
      throw new UserError(
        `${output}: the run with process id ${owner.pid}${where} writes into it since ${owner.since}; ` +
          'expected another output, or to wait for its end',
      );
    }
    await takeAway(output, lock, found);
  }
  return content;
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
  for (let waited = 0; ; waited += POLL_MS) {
    const text = await readFile(lock, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined || text.endsWith('\n') || waited > CONTENT_WAIT_MS) return text;
    await wait(POLL_MS);
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
  { onNote, signal }: LockOptions,
): Promise<boolean> {
  if (host !== hostname()) {
    onNote?.(`${lock}: of a run on ${host}; looking for ${RENEWAL_WAIT_MS / 1000} s whether it is alive`);
    return isRenewed(lock, signal);
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
async function isRenewed(lock: string, signal: AbortSignal | undefined): Promise<boolean> {
  const before = await identityOf(lock);
  for (let waited = 0; waited < RENEWAL_WAIT_MS; waited += RENEWAL_MS) {
    await wait(RENEWAL_MS, undefined, signal && { signal });
    const now = await identityOf(lock);
    if (now === undefined) return false;
    if (now !== before) return true;
  }
  return false;
}

/**
 * Removes the lock of a run that is gone. Processes that found it at the same time take turns: each looks again, so that none
 * removes the lock of another that was quicker.
 */
async function takeAway(output: string, lock: string, found: string | undefined): Promise<void> {
  const turn = `${lock}.turn`;
  let seen: string | undefined;
  for (let waited = 0; !(await create(output, turn, '')); waited += POLL_MS) {
    const now = await identityOf(turn);
    if (now !== seen) waited = 0;
    seen = now;
    // Held for an instant, unless its process was killed in it.
    if (waited > CONTENT_WAIT_MS) await rm(turn, { force: true });
    await wait(POLL_MS);
  }
  try {
    if (found !== undefined && (await identityOf(lock)) === found) await rm(lock, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
}

/** Tells a lock from another of the same name, and from itself before it was renewed; undefined where there is none. */
const identityOf = (lock: string): Promise<string | undefined> =>
  stat(lock).then(
    ({ ino, mtimeMs }) => `${ino} ${mtimeMs}`,
    () => undefined,
  );

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
