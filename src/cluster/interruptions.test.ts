/**
 * What interrupts a run leaves its results as they would have been: Ctrl-C at the coordinator, a Redis that restarts with its
 * data, a worker that pauses until its shard is another's, a clip that ends every process that reads it.
 * Needs redis-server; without it (and without CI=1) these tests are left out.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Command,
  childrenOf,
  command,
  type Ended,
  hasRedis,
  recordsIn,
  TestRedis,
  writeNoise,
} from '../testing/cluster.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { RUNS, type Run, startsOf, WORKERS, type WorkerStatus } from './run.ts';

/** Three shards. */
const CLIPS = 130;
const scratch = mkdtempSync(join(tmpdir(), 'interruptions-'));
const at = (name: string) => join(scratch, name);
const redis = new TestRedis(scratch, true);
const workers = new Set<Command>();
const here = hasRedis || process.env.CI ? test : test.skip;
let manifest = '';
let whole: string[] = [];
let round = 0;
let worker: Command;

beforeAll(async () => {
  await writeTinyModel(at('tiny'));
  manifest = await writeNoise(scratch, 'clips', CLIPS);
  if (!hasRedis) return;
  await redis.start();
  const single = await command(['encode', manifest, '--model', at('tiny'), '--cache', at('single')]).ended;
  expect(single.code, single.errors).toBe(0);
  whole = recordsIn(at('single'));
  worker = startWorker();
});

beforeEach(() => {
  round++;
});

afterAll(async () => {
  for (const { process } of workers) process.kill('SIGKILL');
  redis.kill();
  await wait(100);
  rmSync(scratch, { recursive: true, force: true });
});

function startWorker(environment: Readonly<Record<string, string>> = {}): Command {
  const worker = command(['worker', '--redis', redis.url, '--lost-after', '1'], environment);
  workers.add(worker);
  void worker.ended.then(() => workers.delete(worker));
  return worker;
}

/** Encodes into a new cache of each test. */
function encode(listed = manifest): Command {
  const flags = ['--cache', at(`cache-${round}`), '--redis', redis.url, '--store', at(`store-${round}`)];
  return command(['encode', listed, '--model', at('tiny'), ...flags, '--json']);
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const began = Date.now();
  while (!isSo()) {
    if (Date.now() - began > 60_000) throw new Error(`waited in vain until ${what}`);
    await wait(20);
  }
}

const lines = (text: string): string[] => text.split('\n').filter(Boolean);
const statuses = (): WorkerStatus[] =>
  lines(redis.ask('hvals', WORKERS)).map((text) => JSON.parse(text) as WorkerStatus);
const statusOf = ({ process }: Command): WorkerStatus | undefined =>
  statuses().find(({ pid }) => pid === process.pid);
/** Clips that a worker has computed. */
const clipsOf = (worker: Command): number => statusOf(worker)?.rows ?? 0;
const runs = (): Run[] => lines(redis.ask('hvals', RUNS)).map((text) => JSON.parse(text) as Run);
/** Whether a worker computes a shard of this test's run. */
const isAt = (one: Command): boolean =>
  statusOf(one)?.doing === 'encoding' &&
  runs().some(({ id }) => redis.ask('hvals', startsOf(id)).includes('1'));
/** Shards of this test's run that are done. */
const doneShards = (): number =>
  readdirSync(at(`store-${round}`), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /[0-9a-f]{32}\.json$/.test(name),
  ).length;

function expectWhole({ code, output, errors }: Ended): void {
  expect(code, errors).toBe(0);
  expect(JSON.parse(output)).toMatchObject({ clips: CLIPS, failed: 0 });
  expect(recordsIn(at(`cache-${round}`))).toEqual(whole);
}

here(
  'a coordinator that Ctrl-C ended goes on with the same command, and no shard is computed twice',
  async () => {
    const first = encode();
    await until('the store is there', () => readdirSync(scratch).includes(`store-${round}`));
    await until('a shard is done', () => doneShards() > 0);
    first.process.kill('SIGINT');
    const ended = await first.ended;
    expect(ended.code, ended.errors).toBe(130);
    expect(ended.errors).toContain('run again to continue');
    expect(runs()).toEqual([]);
    const done = doneShards();
    expect(done).toBeGreaterThan(0);
    expectWhole(await encode().ended);
    await until('the worker tells of all clips', () => clipsOf(worker) >= CLIPS);
    expect(clipsOf(worker)).toBe(CLIPS);
  },
);

here('a Redis that restarts with its data has the run, its queue and its locks again', async () => {
  const running = encode();
  await until('a shard is computed', () => isAt(worker));
  await redis.stop();
  await wait(500);
  await redis.start();
  const [run] = runs();
  expect(run).toBeDefined();
  const ended = await running.ended;
  expectWhole(ended);
  expect(ended.errors).toMatch(/redis\.sock: is away .+; waiting for it\n/);
  expect(ended.errors).toContain('redis.sock: is back\n');
  await until('the worker tells of all clips', () => clipsOf(worker) >= CLIPS);
  expect(clipsOf(worker)).toBe(CLIPS);
});

here('a shard that two workers compute counts once', async () => {
  const running = encode();
  await until('a shard is computed', () => isAt(worker));
  const all = [worker.process.pid!, ...childrenOf(worker.process.pid!)];
  for (const pid of all) process.kill(pid, 'SIGSTOP');
  const [run] = runs();
  const other = startWorker();
  const isBegunTwice = () => lines(redis.ask('hvals', startsOf(run!.id))).includes('2');
  await until('the other worker has the same shard', isBegunTwice);
  for (const pid of all) process.kill(pid, 'SIGCONT');
  expectWhole(await running.ended);
  await until('both tell of it', () => clipsOf(worker) + clipsOf(other) > CLIPS);
  for (const { process } of workers) process.kill('SIGTERM');
  await Promise.all([...workers].map(({ ended }) => ended));
});

here('a clip that ends its process is left out by name, and the others are not', async () => {
  const poison = at('poison.cjs');
  writeFileSync(
    poison,
    `const { promises } = require('node:fs');
    const { open } = promises;
    promises.open = (path, ...rest) =>
      String(path).endsWith('0001.wav') ? process.kill(process.pid, 'SIGKILL') : open(path, ...rest);
    require('node:module').syncBuiltinESMExports();`,
  );
  const few = await writeNoise(scratch, 'few', 4);
  startWorker({ NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --require=${poison}` });
  const { code, output, errors } = await encode(few).ended;
  expect(lines(errors).filter((line) => line.startsWith('skipped: '))).toEqual([
    `skipped: ${join(scratch, 'few/0001.wav')}: left out: ended the process that computed it 3 times (SIGKILL)`,
  ]);
  expect(JSON.parse(output)).toMatchObject({ clips: 3, failed: 1 });
  expect(code).toBe(2);
  expect(recordsIn(at(`cache-${round}`))).toHaveLength(3);
});
