/** Locks hold between processes, and end with them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { lockFile, lockFolder } from './lock.ts';

const scratch = mkdtempSync(join(tmpdir(), 'locks-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

const lock = (kind: 'lockFolder' | 'lockFile', path: string, work: string): string[] => {
  const module = pathToFileURL(new URL('../../dist/files/lock.js', import.meta.url).pathname).href;
  const text = `import { ${kind} } from '${module}'; await ${kind}(${JSON.stringify(path)}, async () => { ${work} });`;
  return ['--input-type=module', '--eval', text];
};

/** Another process that holds a lock until it is killed. */
async function holder(kind: 'lockFolder' | 'lockFile', path: string): Promise<ChildProcess> {
  const work = "console.log('held'); await new Promise((resolve) => setTimeout(resolve, 60_000));";
  const child = spawn(process.execPath, lock(kind, path, work), { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  return child;
}

const killed = (child: ChildProcess) =>
  new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGKILL');
  });

test('a folder that another process writes into is refused with its id, and free once that is killed', async () => {
  const folder = join(scratch, 'killed');
  const child = await holder('lockFolder', folder);
  await expect(lockFolder(folder, async () => {})).rejects.toThrow(
    new RegExp(`${folder}: the run with process id ${child.pid} writes into it since .*; expected another`),
  );
  await killed(child);
  expect(existsSync(join(folder, 'run.lock'))).toBe(true);
  expect(await lockFolder(folder, async () => existsSync(join(folder, 'run.lock')))).toBe(true);
  // Empty, but it was there before this run.
  expect(existsSync(join(folder, 'run.lock'))).toBe(false);
});

test('a file is locked beside it, whatever the length of its name', async () => {
  const file = join(scratch, `${'é'.repeat(120)}.jsonl`);
  const child = await holder('lockFile', file);
  await expect(lockFile(file, async () => {})).rejects.toThrow(`process id ${child.pid}`);
  await killed(child);
  expect(await lockFile(file, async () => 1)).toBe(1);
  expect(await lockFile('/dev/null', async () => 2)).toBe(2);
});

test.skipIf(process.platform !== 'linux')(
  'a process that has the id of a gone one holds no lock',
  async () => {
    const folder = join(scratch, 'reused');
    mkdirSync(folder);
    const owner = { pid: process.ppid, host: hostname(), started: '1', since: 'then' };
    writeFileSync(join(folder, 'run.lock'), `${JSON.stringify(owner)}\n`);
    expect(await lockFolder(folder, async () => 1)).toBe(1);
  },
);

test('a lock without content, left by a process that was killed in between, is taken over', async () => {
  const folder = join(scratch, 'empty');
  mkdirSync(folder);
  writeFileSync(join(folder, 'run.lock'), '');
  expect(await lockFolder(folder, async () => 1)).toBe(1);
});

test('an abort ends the wait for a run on another machine at once', async () => {
  const file = join(scratch, 'elsewhere.jsonl');
  const owner = { pid: 1, host: 'elsewhere', started: '1', since: 'then' };
  writeFileSync(`${file}.lock`, `${JSON.stringify(owner)}\n`);
  const started = performance.now();
  const signal = AbortSignal.timeout(20);
  await expect(lockFile(file, async () => {}, { wait: true, signal })).rejects.toThrow('aborted');
  expect(performance.now() - started).toBeLessThan(2000);
});

test('runs of one process wait for each other, and a failed one frees the folder', async () => {
  const folder = join(scratch, 'waiting');
  const order: string[] = [];
  const first = lockFolder(folder, async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    order.push('first');
    writeFileSync(join(folder, 'kept'), '');
    throw new Error('failed');
  });
  const second = lockFolder(folder, async () => order.push('second'));
  await expect(first).rejects.toThrow('failed');
  await second;
  expect(order).toEqual(['first', 'second']);
  expect(existsSync(join(folder, 'kept'))).toBe(true);
});

test('a folder that was made for a run and stayed empty is removed', async () => {
  await expect(
    lockFolder(join(scratch, 'made/for/it'), async () => {
      throw new Error('a mistake');
    }),
  ).rejects.toThrow('a mistake');
  expect(existsSync(join(scratch, 'made'))).toBe(false);
});

test('of ten processes that find a stale lock, only one at a time works', { timeout: 60_000 }, async () => {
  const folder = join(scratch, 'race');
  mkdirSync(folder);
  const owner = { pid: 2 ** 22 + 1, host: hostname(), started: '1', since: 'then' };
  writeFileSync(join(folder, 'run.lock'), `${JSON.stringify(owner)}\n`);
  const log = join(folder, 'log');
  const work = `const { appendFileSync } = await import('node:fs');
    appendFileSync(${JSON.stringify(log)}, 'a'); await new Promise((resolve) => setTimeout(resolve, 20));
    appendFileSync(${JSON.stringify(log)}, 'b');`;
  const run = () => promisify(execFile)(process.execPath, lock('lockFolder', folder, work)).catch(() => {});
  await Promise.all(Array.from({ length: 10 }, run));
  expect(readFileSync(log, 'utf8')).toMatch(/^(ab)+$/);
});

test('what a killed run left half written is removed by the next run in that folder', async () => {
  const output = join(scratch, 'leftovers');
  mkdirSync(output);
  writeFileSync(join(output, 'model.safetensors.4711-3.incomplete'), 'half');
  writeFileSync(join(output, 'kept'), 'whole');
  await lockFolder(output, async () => {
    expect(readdirSync(output).sort()).toEqual(['kept', 'run.lock']);
  });
});
