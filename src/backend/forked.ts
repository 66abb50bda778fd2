/** Processes that compute, each forked by one that only moves messages: what that says is heard whatever is computed. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../files/built.ts';

export interface ForkOptions {
  /** How messages are written. Default JSON. */
  readonly serialization?: 'json' | 'advanced' | undefined;
  /** Variables beside those of this process. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/**
 * Starts a process that calls {@link answerParent}. What it prints goes to standard error.
 * @param path in the folder of the build: `serve/process.js`
 */
export function forkBuilt(
  path: string,
  { serialization = 'json', environment }: ForkOptions = {},
): ChildProcess {
  return fork(fileURLToPath(builtFile(path)), [], {
    serialization,
    execArgv: [],
    stdio: ['ignore', 2, 2, 'ipc'],
    env: { ...process.env, ...environment },
  });
}

/**
 * Receives what the parent sends. The process ends with the parent, however that ends, and not by Ctrl-C, which reaches both:
 * the parent says when.
 */
export function answerParent<Message>(receive: (message: Message) => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('message', receive);
  process.on('disconnect', () => process.exit());
}

/** Sends to the parent. Where that has just died, 'disconnect' ends this process. */
export function sendToParent(message: object): void {
  if (process.connected) process.send!(message, undefined, undefined, () => {});
}
