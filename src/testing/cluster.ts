/** For tests: a Redis of their own, and commands of ours as processes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A redis-server on a socket in a folder, which loses its data when it ends. */
export class TestRedis {
  #process: ChildProcess | undefined;
  readonly url: string;

  constructor(private readonly folder: string) {
    this.url = join(folder, 'redis.sock');
  }

  async start(): Promise<void> {
    const flags = ['--port', '0', '--unixsocket', this.url, '--dir', this.folder, '--save', ''];
    this.#process = spawn('redis-server', flags, { stdio: 'ignore' });
    while (!this.ask('ping').includes('PONG')) await wait(50);
  }

  ask(...command: string[]): string {
    return spawnSync('redis-cli', ['-s', this.url, ...command], { encoding: 'utf8' }).stdout;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process?.once('exit', resolve));
    this.ask('shutdown', 'nosave');
    await ended;
    this.#process = undefined;
  }

  kill(): void {
    this.#process?.kill('SIGKILL');
  }
}

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

export interface Command {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What it has said so far. */
  readonly errors: () => string;
}

/** Starts a command of ours, with one thread. */
export function command(args: readonly string[]): Command {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WHISPER_TRANSFER_THREADS: '1' },
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, output, errors }));
  });
  return { process: child, ended, errors: () => errors };
}

/** Ids of the processes that a process has started (Linux). */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}
