/**
 * Work that is shared by worker processes gives what one process gives, to the bit: workers killed at random moments, Redis
 * restarted without its data. A few kills here; `npm run prove:cluster` makes twenty (KILLS) over all samples.
 * Needs redis-server; without it (and without CI=1) these tests are left out.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { packTar } from 'modern-tar';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readManifest } from '../data/manifest.ts';
import { sfc32, uniform } from '../random.ts';
import { type Command, childrenOf, command, hasRedis, recordsIn, TestRedis } from '../testing/cluster.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WORKERS } from './run.ts';

const kills = Number(process.env.KILLS ?? 0);
const clips = kills > 0 ? Number.POSITIVE_INFINITY : 100;
const scratch = mkdtempSync(join(tmpdir(), 'cluster-'));
const at = (name: string) => join(scratch, name);
const model = at('tiny');
const manifest = at('clips.tsv');
const redis = new TestRedis(scratch);
const workers = new Set<Command>();
const here = hasRedis || process.env.CI ? test : test.skip;
if (!hasRedis) console.log('redis-server is not here: the tests of several workers are left out');

beforeAll(async () => {
  await writeTinyModel(model);
  const samples = await readManifest(fileURLToPath(new URL('../../samples/manifest.tsv', import.meta.url)));
  const chosen = samples.sort((a, b) => (a.audio < b.audio ? -1 : 1)).slice(0, clips);
  mkdirSync(at('bad'));
  writeFileSync(at('bad/text.wav'), 'no sound');
  const rows = chosen.map(({ audio, language }) => `${relative(scratch, audio)}\t${language}`);
  // In a folder with the sign of a reference; its name is no path.
  mkdirSync(at('take #1'));
  const member = { name: 'fr//a.opus', size: statSync(chosen[0]!.audio).size };
  writeFileSync(
    at('take #1/clips.tar'),
    await packTar([{ header: member, body: readFileSync(chosen[0]!.audio) }]),
  );
  rows.push(`take #1/clips.tar#${member.name}\tfr`);
  rows.splice(3, 0, 'bad/text.wav\tfr');
  rows.splice(40, 0, 'bad/missing.wav\tfr');
  writeFileSync(manifest, `audio\tlang\n${rows.join('\n')}\n`);
  if (hasRedis) await redis.start();
});

afterAll(async () => {
  for (const worker of workers) worker.process.kill('SIGKILL');
  redis.kill();
  await wait(100);
  rmSync(scratch, { recursive: true, force: true });
});

const cluster = () => ['--redis', redis.url, '--store', at('store')];

function startWorker(): Command {
  const worker = command(['worker', '--redis', redis.url, '--lost-after', '1']);
  workers.add(worker);
  void worker.ended.then(() => workers.delete(worker));
  return worker;
}

async function stopWorkers(): Promise<void> {
  const all = [...workers];
  for (const { process } of all) process.kill('SIGTERM');
  await Promise.all(all.map(({ ended }) => ended));
}

/** Kills workers, or the processes that compute for them, until a command ends; workers that are gone are started again. */
async function killAtRandom(running: Command, least: number, seed: number): Promise<number> {
  const random = sfc32(seed);
  let isRunning = true;
  void running.ended.then(() => {
    isRunning = false;
  });
  let killed = 0;
  while (isRunning) {
    await wait(500 + 5000 * uniform(random));
    if (!isRunning || killed >= least) break;
    const all = [...workers].map(({ process }) => process.pid!);
    const one = all[Math.floor(uniform(random) * all.length)]!;
    const [computing] = childrenOf(one);
    process.kill(uniform(random) < 0.5 && computing !== undefined ? computing : one, 'SIGKILL');
    killed++;
    await wait(50);
    while (workers.size < 2) startWorker();
  }
  return killed;
}

here(
  `encode: ${kills || 2} kills and a Redis that loses its data leave the cache and the counts of one process`,
  { timeout: 600_000 },
  async () => {
    const flags = ['--model', model, '--json'];
    const single = await command(['encode', manifest, ...flags, '--cache', at('cache')]).ended;
    const summary = JSON.parse(single.output);
    const skipped = (errors: string) =>
      errors
        .split('\n')
        .filter((line) => line.startsWith('skipped: '))
        .sort();
    expect(skipped(single.errors)).toHaveLength(2);
    startWorker();
    startWorker();
    let killed = 0;
    for (let round = 1; killed < (kills || 2); round++) {
      const cache = at(`cache-${round}`);
      const shared = command(['encode', manifest, ...flags, '--cache', cache, ...cluster()]);
      const killing = killAtRandom(shared, (kills || 2) - killed, Date.now());
      await wait(1500);
      if (round === 1) {
        await redis.stop();
        await redis.start();
        redis.ask('hset', WORKERS, 'dead', JSON.stringify({ id: 'dead', lostAfter: 100, beat: 1 }));
      }
      killed += await killing;
      const ended = await shared.ended;
      expect(JSON.parse(ended.output), ended.errors).toEqual({
        ...summary,
        cache,
        seconds: expect.any(Number),
      });
      expect(skipped(ended.errors)).toEqual(skipped(single.errors));
      expect(recordsIn(cache)).toEqual(recordsIn(at('cache')));
      expect(ended.code).toBe(single.code);
      // A worker that was killed is not listed for ever.
      expect(redis.ask('hexists', WORKERS, 'dead')).toBe('0\n');
    }
    if (kills > 0) console.log(`${killed} kills`);
    await stopWorkers();
  },
);
