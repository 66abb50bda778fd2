/**
 * The lock of Python's `filelock`: flock(2) on a file. Node has no such call, so a process of util-linux's `flock` holds it, and
 * lets it go when this process ends, however that ends: its standard input is then closed.
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writing } from '../files/write-whole.ts';

export interface PythonLockOptions {
  readonly onNote?: ((note: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const TOLD_AFTER_MS = 1_000;

/**
 * Runs work under the lock. Where there is no `flock` (macOS, Windows), without it: a blob is renamed into its place when it is
 * whole, so that two programs at worst download it both.
 */
export async function withPythonLock<T>(
  file: string,
  work: () => Promise<T>,
  { onNote, signal }: PythonLockOptions = {},
): Promise<T> {
  await writing(file, () => mkdir(dirname(file), { recursive: true }));
  // `cat` ends with its input, and `flock` with it.
  const holder = spawn('flock', ['--exclusive', file, 'sh', '-c', 'echo held; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const told = setTimeout(
    () => onNote?.(`${file}: waiting for the program that has this lock`),
    TOLD_AFTER_MS,
  );
  const stop = (): void => void holder.kill();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    // Also where it could not be started, or the file system has no locks.
    await new Promise<void>((resolve) => {
      holder.once('error', () => resolve());
      holder.once('exit', () => resolve());
      holder.stdout.once('data', () => resolve());
    });
    clearTimeout(told);
    signal?.throwIfAborted();
    return await work();
  } finally {
    clearTimeout(told);
    signal?.removeEventListener('abort', stop);
    holder.stdin.on('error', () => {}).end();
    holder.stdout.destroy();
    holder.unref();
  }
}
