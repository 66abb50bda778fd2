/**
 * What is done is known from files: messages of workers only make it quick.
 * Needs redis-server; without it (and without CI=1) this test is left out.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { hasRedis, TestRedis } from '../testing/cluster.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { shardResults } from './coordinator.ts';
import { connect } from './redis.ts';
import { Results } from './results.ts';
import { RUNS, writtenOf } from './run.ts';
import { openStore } from './store.ts';

const here = hasRedis || process.env.CI ? test : test.skip;

here('a result that no message told of is found, and one whose file is not there is waited for', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'coordinator-'));
  const redis = new TestRedis(scratch);
  const [model, store] = [join(scratch, 'tiny'), join(scratch, 'store')];
  try {
    await writeTinyModel(model);
    await redis.start();
    const names = ['told', 'silent'];
    const shards = names.map((name) => [{ name }]);
    const job = { kind: 'encode', options: {}, model, shards, filesOf: () => [] };
    const results = shardResults({ redis: redis.url, store }, job, { stage: 'encoding' });
    const first = results.next();
    const cluster = await connect(redis.url, { onNote: () => {} });
    let id = '';
    while (id === '') {
      await wait(20);
      [id = ''] = await cluster.redis.hkeys(RUNS);
    }
    const queue = cluster.queue(id);
    while ((await queue.getJobCountByTypes('waiting')) < 2) await wait(20);
    const jobs = await queue.getJobs('waiting');
    const keyOf = (name: string) => jobs.find(({ data }) => data.rows[0].name === name)!.id!;
    const found = new Results(await openStore(join(store, id), { onNote: () => {} }));
    // The message is there before its file, as over a file server.
    await cluster.redis.rpush(writtenOf(id), keyOf('told'), 'unknown');
    await wait(600);
    await found.write(keyOf('told'), { results: [{ n: 1 }], notes: [], damage: [] });
    expect((await first).value).toMatchObject({ shard: 0, result: { results: [{ n: 1 }] } });
    const second = results.next();
    await found.write(keyOf('silent'), { results: [{ n: 2 }], notes: [], damage: [] });
    for (const one of jobs) await one.remove();
    expect((await second).value).toMatchObject({ shard: 1, result: { results: [{ n: 2 }] } });
    expect((await results.next()).done).toBe(true);
    // Nothing of the run is left.
    expect(await cluster.redis.exists(writtenOf(id))).toBe(0);
    expect(existsSync(found.store.place)).toBe(false);
    await queue.close();
    await cluster.close();
  } finally {
    redis.kill();
    await wait(100);
    rmSync(scratch, { recursive: true, force: true });
  }
});
