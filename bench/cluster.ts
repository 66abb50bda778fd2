/**
 * What workers cost and bring on one machine: `encode` and `translate` by one process with one thread, by two workers with one
 * thread each, and by one process with two threads, in turns. Processor time of all of them together tells what goes into
 * messages, locks and a second model. Needs redis-server, bullmq and ioredis; processor times of workers are Linux'.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeManifest } from '../src/data/manifest-write.ts';
import { UserError } from '../src/errors.ts';
import { childrenOf, hasRedis, TestRedis } from '../src/testing/cluster.ts';
import { measuredProcess, type ProcessCost } from './measured-process.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { clipsOf } from './speech.ts';
import { median, seconds } from './statistics.ts';

/** Of two workers' time, two threads of one process': more, and sharding costs what it should not. */
const GOAL = 1.15;
/** Of processor time, two workers over one process with one thread. */
const CPU_GOAL = 1.15;
const WORKERS = 2;
/** Of a second, in /proc. */
const TICKS = 100;

const WAYS = ['one process, 1 thread', 'two workers, 1 thread each', 'one process, 2 threads'] as const;
type Way = (typeof WAYS)[number];

interface Measured {
  readonly way: Way;
  readonly wall: number;
  readonly cpu: number;
}

export async function cluster({ model, clips: most, rounds }: BenchOptions): Promise<BenchResult> {
  if (!hasRedis) throw new UserError('found no redis-server; expected one: apt install redis-server');
  const folder = inRepository('out/bench/cluster');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const manifest = join(folder, 'clips.tsv');
  const sets = await Promise.all(['intro', 'new'].map((set) => clipsOf(set, 'fr')));
  const clips = sets.flat().slice(0, most);
  await writeManifest(manifest, clips);
  // The path of a socket may not be long.
  const socket = mkdtempSync(join(tmpdir(), 'bench-'));
  const redis = new TestRedis(socket);
  await redis.start();
  const workers = Array.from({ length: WORKERS }, () => startWorker(redis.url));
  try {
    const results: Record<string, Measured[]> = { encode: [], translate: [] };
    for (let round = 0; round < rounds; round++) {
      for (const [command, all] of Object.entries(results)) {
        for (const way of WAYS) {
          // Nothing of an earlier turn is known.
          const own = join(folder, `${command}-${round}-${WAYS.indexOf(way)}`);
          const args =
            command === 'encode'
              ? ['encode', manifest, '--cache', own]
              : ['translate', manifest, '--from', 'fr', '--results', own, '--format', 'txt'];
          const threads = way === 'one process, 2 threads' ? 2 : 1;
          const shared = way === 'two workers, 1 thread each';
          const flags = shared ? ['--redis', redis.url, '--store', join(folder, 'store')] : [];
          const before = cpuOf(workers);
          const cost: ProcessCost = await measuredProcess(
            [...args, '--model', model, '--threads', String(threads), ...flags],
            { scratch: folder },
          );
          const cpu = cost.cpu + (shared ? cpuOf(workers) - before : 0);
          all.push({ way, wall: cost.seconds, cpu });
        }
      }
    }
    return report(results, clips.length, rounds);
  } finally {
    for (const worker of workers) worker.kill('SIGTERM');
    await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))));
    await redis.stop();
    rmSync(socket, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(results: Record<string, Measured[]>, clips: number, rounds: number): BenchResult {
  const of = (command: string, way: Way, what: 'wall' | 'cpu'): number =>
    median(results[command]!.filter((one) => one.way === way).map((one) => one[what]));
  const [one, two, threads] = WAYS;
  const rows = Object.keys(results).flatMap((command) =>
    WAYS.map((way) => ({
      measure: `${command}: ${way}`,
      ours: `${seconds(of(command, way, 'wall'))}, processor ${seconds(of(command, way, 'cpu'))}`,
      ratio: (of(command, one, 'wall') / of(command, way, 'wall')).toFixed(2),
    })),
  );
  const goals = Object.keys(results).flatMap((command) => {
    const wall = of(command, two, 'wall') / of(command, threads, 'wall');
    const cpu = of(command, two, 'cpu') / of(command, one, 'cpu');
    return [
      {
        goal: `${command}: two workers take at most ${GOAL} of the time of one process with 2 threads`,
        found: wall.toFixed(2),
        reached: wall <= GOAL,
      },
      {
        goal: `${command}: two workers take at most ${CPU_GOAL} of the processor time of one process`,
        found: cpu.toFixed(2),
        reached: cpu <= CPU_GOAL,
      },
    ];
  });
  return {
    title: `${clips} French clips by workers and without, median of ${rounds} turns, ${availableParallelism()} cores`,
    rows,
    goals,
    notes: ['ratio: how many times as fast as one process with one thread'],
    raw: results,
  };
}

function startWorker(redis: string): ChildProcess {
  const args = [inRepository('dist/cli/main.js'), 'worker', '--redis', redis, '--threads', '1'];
  return spawn(process.execPath, args, { stdio: 'ignore' });
}

/** Seconds of processor time of workers and of what they started. */
function cpuOf(workers: readonly ChildProcess[]): number {
  const pids = workers.flatMap(({ pid }) => [pid!, ...childrenOf(pid!)]);
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS;
  }, 0);
}
