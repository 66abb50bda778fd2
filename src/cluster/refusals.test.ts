/**
 * Who cannot take part says why, in one line: a worker here and at the coordinator, which goes on with others.
 * Needs redis-server; without it (and without CI=1) these tests are left out.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { packageVersion } from '../report/package-version.ts';
import { type Command, command, hasRedis, TestRedis } from '../testing/cluster.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { FolderStore } from './folder-store.ts';
import { type Cluster, connect, PREFIX } from './redis.ts';
import { lockInRedis } from './redis-lock.ts';
import { Results } from './results.ts';
import { RUNS, type Run, refusalsOf, SELF } from './run.ts';

const scratch = mkdtempSync(join(tmpdir(), 'refusals-'));
const at = (name: string) => join(scratch, name);
const redis = new TestRedis(scratch);
const here = hasRedis || process.env.CI ? test : test.skip;
const store = (name: string) => new FolderStore(at(name), { onNote: () => {} });
const notes: string[] = [];
let cluster: Cluster;
let worker: Command | undefined;

beforeAll(async () => {
  await writeTinyModel(at('tiny'));
  if (!hasRedis) return;
  // As a worker that is there before Redis is.
  const connected = connect(redis.url, { waits: true, onNote: (note) => notes.push(note) });
  while (notes.length === 0) await wait(10);
  await redis.start();
  cluster = await connected;
});

afterAll(async () => {
  worker?.process.kill('SIGKILL');
  await cluster?.close();
  redis.kill();
  await wait(100);
  rmSync(scratch, { recursive: true, force: true });
});

here('a worker waits for a Redis that is away, and says so once', () => {
  expect(notes).toEqual([expect.stringMatching(/redis\.sock: cannot be reached: .+; waiting for it$/)]);
});

here('a Redis that would forget jobs is refused', async () => {
  const connected = () => connect(redis.url, { onNote: () => {} });
  redis.ask('config', 'set', 'maxmemory-policy', 'allkeys-lru');
  // Without a limit it forgets nothing.
  await (await connected()).close();
  redis.ask('config', 'set', 'maxmemory', '100mb');
  await expect(connected()).rejects.toThrow(
    new UserError(
      `${redis.url}: found maxmemory-policy allkeys-lru, by which a full Redis forgets jobs; expected: redis-cli config set maxmemory-policy noeviction`,
    ),
  );
  redis.ask('config', 'set', 'maxmemory-policy', 'noeviction');
  await (await connected()).close();
});

here('a worker takes no part where its version, its model or its store is another', async () => {
  const begin = async (id: string, changes: Partial<Run>) => {
    const run: Run = {
      ...{ id, kind: 'encode', version: packageVersion, token: id, since: Date.now() },
      ...{ coordinator: 'here:1', place: at(id), folders: [], options: {} },
      model: { directory: at('tiny'), fingerprint: 'theirs' },
      ...changes,
    };
    await cluster.redis.hset(RUNS, id, JSON.stringify(run));
  };
  await begin('version', { version: '0.0.1' });
  await begin('unseen', {});
  await new Results(store('unlike')).begin('another');
  await begin('unlike', {});
  await new Results(store('cache')).begin('cache');
  await begin('cache', { folders: [at('own')] });
  // Its folders are seen under other paths.
  await new Results(store('model')).begin('model');
  await begin('model', {
    place: '/theirs/model',
    model: { directory: '/theirs/tiny', fingerprint: 'theirs' },
  });
  const queue = cluster.queue('model');
  await queue.add('encode', { rows: [] }, { jobId: 'shard' });
  worker = command(['worker', '--redis', redis.url, '--root', `/theirs=${scratch}`]);
  const reasons = {
    version: `found version ${packageVersion} of whisper-transfer here; expected 0.0.1, as at the coordinator here:1`,
    unseen: `${at('unseen')}: cannot be read here: there is no such run; expected what the coordinator here:1 has there, which is shared, at the same path or by --root`,
    unlike: `${at('unlike')}: is not the one of the coordinator here:1; expected one that is shared`,
    cache: `${at('own')}: cannot be read here: there is no such run; expected what the coordinator here:1 has there, which is shared, at the same path or by --root`,
    model: expect.stringMatching(
      /tiny: found another model; expected one with fingerprint theirs, as at the coordinator here:1$/,
    ),
  };
  const told: Record<string, string> = {};
  while (Object.keys(told).length < 5) {
    await wait(50);
    expect(worker.process.exitCode, worker.errors()).toBeNull();
    for (const id of Object.keys(reasons)) {
      const [line] = Object.values(await cluster.redis.hgetall(refusalsOf(id)));
      if (line !== undefined) told[id] = line.replace(/^.+?:\d+: /, '');
    }
  }
  expect(told).toEqual(reasons);
  worker.process.kill('SIGTERM');
  const { errors } = await worker.ended;
  for (const reason of Object.values(told))
    expect(errors.split(`takes no part in the run of here:1: ${reason}`)).toHaveLength(2);
  // For others.
  expect(await queue.getJobCountByTypes('waiting')).toBe(1);
  await queue.close();
});

here('a worker whose Redis is gone ends when it is asked to', async () => {
  mkdirSync(at('gone'));
  const own = new TestRedis(at('gone'));
  await own.start();
  worker = command(['worker', '--redis', own.url]);
  while (!worker.errors().includes('waits for shards')) await wait(50);
  // It asks for runs meanwhile, and waits for the answer.
  await wait(500);
  own.kill();
  while (!worker.errors().includes('is away')) await wait(50);
  worker.process.kill('SIGTERM');
  await worker.ended;
  expect(worker.process.exitCode).toBe(143);
});

here(
  'a second coordinator of a run on S3 is kept away, and a lock that nobody renews is taken over',
  async () => {
    const what = 's3://bucket/run';
    const key = `${PREFIX}:lock:${what}`;
    const told: string[] = [];
    const lock = () => lockInRedis(cluster, what, { onNote: (note) => told.push(note) });
    const unlock = await lock();
    await expect(lock()).rejects.toThrow(
      new UserError(
        `${what}: the process ${SELF} does the same run; expected another store, or to wait for its end`,
      ),
    );
    // As where Redis lost its data.
    redis.ask('del', key);
    while ((await cluster.redis.exists(key)) === 0) await wait(50);
    await unlock();
    expect(await cluster.redis.exists(key)).toBe(0);
    redis.ask('set', key, 'there:7 token', 'px', '600');
    const unlockLast = await lock();
    expect(told.at(-1)).toBe(`${what}: of a run of there:7; looking for 10 s whether it is alive`);
    await unlockLast();
  },
);

test('a model that is not there is one line of the coordinator', async () => {
  const args = ['transcribe', 'none.wav', '--model', at('none'), '--redis', redis.url];
  const { errors, code } = await command(args).ended;
  expect(errors).toBe(`error: ${at('none')}: no such directory\n`);
  expect(code).toBe(2);
});
