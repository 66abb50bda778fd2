/** For tests: a Redis of their own, and commands of ours as processes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { builtFile } from '../files/built.ts';
import { sfc32, uniform } from '../random.ts';

const MAIN = fileURLToPath(builtFile('cli/main.js'));

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A redis-server on a socket in a folder. */
export class TestRedis {
  #process: ChildProcess | undefined;
  readonly url: string;

  /** @param keeps whether it has its data again when it is started again */
  constructor(
    private readonly folder: string,
    private readonly keeps = false,
  ) {
    this.url = join(folder, 'redis.sock');
  }

  async start(): Promise<void> {
    const flags = ['--port', '0', '--unixsocket', this.url, '--dir', this.folder, '--save', ''];
    if (this.keeps) flags.push('--appendonly', 'yes');
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
  readonly output: () => string;
}

/** Starts a command of ours, with one thread. */
export function command(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Command {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, WHISPER_TRANSFER_THREADS: '1', ...environment },
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
    child.on('close', (code, signal) =>
      resolve({ code, output, errors: signal === null ? errors : `${errors}ended by ${signal}\n` }),
    );
  });
  return { process: child, ended, errors: () => errors, output: () => output };
}

/** Clips of noise of a second, and a manifest of them. @param name of the folder that they are in */
export async function writeNoise(folder: string, name: string, count: number): Promise<string> {
  const random = sfc32(count);
  const rows = ['audio\tlang'];
  await mkdir(join(folder, name), { recursive: true });
  for (let i = 0; i < count; i++) {
    const file = `${name}/${String(i).padStart(4, '0')}.wav`;
    const samples = Float32Array.from({ length: SAMPLE_RATE }, () => uniform(random) - 0.5);
    await writeFile(join(folder, file), wavBytes(samples));
    rows.push(`${file}\tfr`);
  }
  const manifest = join(folder, `${name}.tsv`);
  await writeFile(manifest, `${rows.join('\n')}\n`);
  return manifest;
}

/** Key and hash of each record in a cache; those that are there twice must be equal. */
export function recordsIn(cache: string): string[] {
  const found = new Map<string, string>();
  for (const name of readdirSync(cache, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.index') || dirname(name).startsWith('recordings')) continue;
    const index = readFileSync(join(cache, name));
    const shard = readFileSync(join(cache, name.replace(/index$/, 'shard')));
    for (let place = 0; place < index.length; place += 64) {
      const start = index.readDoubleLE(place + 16);
      const content = createHash('sha256')
        .update(shard.subarray(start, start + index.readUInt32LE(place + 24)))
        .digest('hex');
      const key = `${basename(dirname(name))} ${index.toString('hex', place, place + 16)}`;
      if ((found.get(key) ?? content) !== content) throw new Error(`${key}: two records that differ`);
      found.set(key, content);
    }
  }
  return [...found].map((pair) => pair.join(' ')).sort();
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
