/**
 * Machines that share little compute what one process does: results over S3 and a model from the hub, each machine with a cache
 * of its own; folders that have other paths (--root).
 * Needs redis-server; without it (and without CI=1) these tests are left out.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { command, hasRedis, recordsIn, TestRedis, writeNoise } from '../testing/cluster.ts';
import { startFakeHub } from '../testing/fake-hub.ts';
import { FakeS3 } from '../testing/fake-s3.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';

const scratch = mkdtempSync(join(tmpdir(), 'machines-'));
const at = (name: string) => join(scratch, name);
const redis = new TestRedis(scratch);
const here = hasRedis || process.env.CI ? test : test.skip;

beforeAll(async () => {
  await writeTinyModel(at('tiny'));
  if (hasRedis) await redis.start();
});

afterAll(async () => {
  redis.kill();
  await wait(100);
  rmSync(scratch, { recursive: true, force: true });
});

const lines = (text: string): string[] => text.split('\n').filter(Boolean);

here(
  'translate over S3 that is busy at times, with a model of the hub, gives the texts of one process',
  async () => {
    const [s3, hub] = [new FakeS3('bucket'), await startFakeHub()];
    await s3.listen();
    hub.addFolder('tester/tiny', at('tiny'));
    const environment = (machine: string) => ({
      ...s3.environment,
      HF_ENDPOINT: hub.url,
      HF_HOME: at(machine),
    });
    // It does not see the folder of the coordinator's cache.
    const unseen = `${at('mine')}=${at('nowhere')}`;
    const worker = command(['worker', '--redis', redis.url, '--root', unseen], environment('theirs'));
    try {
      const manifest = await writeNoise(scratch, 'spoken', 40);
      const flags = ['--model', 'tester/tiny', '--from', 'fr', '--to', 'de', '--max-tokens', '8'];
      const translate = (name: string, ...more: string[]) =>
        command(['translate', manifest, ...flags, '--results', at(name), ...more], environment('mine')).ended;
      const single = await translate('single.jsonl');
      expect(single.code, single.errors).toBe(0);
      s3.faults = [3, 5, 6, 9, 12].reduce<FakeS3['faults']>((all, i) => {
        all[i] = i % 2 ? { status: 503, code: 'SlowDown' } : 'reset';
        return all;
      }, []);
      const shared = await translate('shared.jsonl', '--redis', redis.url, '--store', 's3://bucket/runs');
      expect(shared.code, shared.errors + worker.errors()).toBe(0);
      expect(readFileSync(at('shared.jsonl'), 'utf8')).toBe(readFileSync(at('single.jsonl'), 'utf8'));
      // The worker fetched the model for itself; and nothing of the run is left.
      expect(snapshots(at('theirs'))).toEqual(snapshots(at('mine')));
      expect([...s3.objects.keys()]).toEqual([]);
      expect(
        s3.requests.filter((request) => /^PUT .*\/[0-9a-f]{32}\.json$/.test(request)).length,
      ).toBeGreaterThan(1);
    } finally {
      worker.process.kill('SIGTERM');
      await worker.ended;
      await s3.close();
      await hub.close();
    }
  },
);

const snapshots = (home: string): string[] =>
  readdirSync(join(home, 'hub/models--tester--tiny/snapshots'), { recursive: true, encoding: 'utf8' });

here(
  'recordings and a cache under another path on the worker, by --root, are named as the coordinator names them',
  async () => {
    const [theirs, ours] = [at('corpora'), at('seen')];
    mkdirSync(theirs);
    mkdirSync(ours);
    const manifest = await writeNoise(theirs, 'clips', 5);
    const encode = (cache: string, ...more: string[]) =>
      command(['encode', manifest, '--model', at('tiny'), '--cache', cache, ...more]).ended;
    // One that only the coordinator's machine has.
    cpSync(join(theirs, 'clips'), join(ours, 'clips'), { recursive: true });
    rmSync(join(ours, 'clips/0002.wav'));
    for (const name of ['cache', 'store']) {
      mkdirSync(join(theirs, name));
      symlinkSync(join(theirs, name), join(ours, name));
    }
    const worker = command(['worker', '--redis', redis.url, '--root', `${theirs}=${ours}`]);
    try {
      const shared = await encode(
        join(theirs, 'cache'),
        '--redis',
        redis.url,
        '--store',
        join(theirs, 'store'),
      );
      expect(lines(shared.errors).filter((line) => line.startsWith('skipped: '))).toEqual([
        expect.stringMatching(`^skipped: ${join(theirs, 'clips/0002.wav')}: `),
      ]);
      rmSync(join(theirs, 'clips/0002.wav'));
      await encode(at('single'));
      expect(recordsIn(join(theirs, 'cache'))).toEqual(recordsIn(at('single')));
      expect(recordsIn(at('single'))).toHaveLength(4);
    } finally {
      worker.process.kill('SIGTERM');
      await worker.ended;
    }
  },
);
