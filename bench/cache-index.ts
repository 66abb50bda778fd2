/**
 * The index of a cache of a million clips: encoder outputs (of 64 bytes each, as their size does not matter here), what is in the
 * recordings, and their lengths. How much memory does a process need for it, and how long does it take to open?
 */
import { mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type ShardRecord, Shards } from '../src/features/shards.ts';
import { fingerprint } from '../src/files/fingerprint.ts';
import { startProgress } from '../src/report/progress.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { seconds } from './statistics.ts';

const MAX_BYTES = 100e6;
const MAX_SECONDS = 10;
const AT_ONCE = 4096;
/** A goal missed by this factor is no matter of a busy machine. */
const FAR = 2;

/** What records say of themselves, and their payload, as encoder outputs, contents and lengths do. */
const STORES: Readonly<Record<string, (i: number) => Omit<ShardRecord, 'key'>>> = {
  outputs: (i) => ({
    about: numbers([200 + (i % 1300), 150 + (i % 1300), 512, 0]),
    payload: numbers(new Array(16).fill(i)),
  }),
  contents: (i) => ({ about: Buffer.from(fingerprint(`content ${i}`, 32), 'hex') }),
  lengths: (i) => ({ about: new Uint8Array(Float64Array.of(16_000 + i).buffer) }),
};

const numbers = (values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
const keyOf = (i: number): string => fingerprint(`clip ${i}`, 32);

export async function cacheIndex({ rows = 1_000_000 }: BenchOptions): Promise<BenchResult> {
  const folder = inRepository('out/bench/cache-index');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, recordOf] of Object.entries(STORES)) {
    const shards = await Shards.open(join(folder, name));
    const progress = startProgress(`writing ${name}`, rows);
    for (let start = 0; start < rows; start += AT_ONCE) {
      const count = Math.min(AT_ONCE, rows - start);
      await shards.add(
        Array.from({ length: count }, (_, i) => ({ key: keyOf(start + i), ...recordOf(start + i) })),
      );
      progress.update(start + count);
    }
    progress.done();
  }
  collect();
  const before = memory();
  const started = performance.now();
  const opened = await Promise.all(Object.keys(STORES).map((name) => Shards.open(join(folder, name))));
  const took = (performance.now() - started) / 1000;
  collect();
  const bytes = memory() - before;
  const wrong = opened.filter(({ size }) => size !== rows).length;
  for (let i = 0; i < rows; i += 1 + Math.floor(rows / 10_000)) {
    for (const shards of opened)
      if (!shards.about(keyOf(i))) throw new Error(`clip ${i} is not in ${shards.folder}`);
    if (!(await opened[0]!.read(keyOf(i)))) throw new Error(`the output of clip ${i} cannot be read`);
  }
  if (wrong > 0) throw new Error(`${wrong} stores do not have ${rows} records`);
  rmSync(folder, { recursive: true, force: true });
  const share = rows / 1e6;
  return {
    title: `The index of a cache of ${rows} clips: encoder outputs, contents and lengths`,
    rows: [
      { measure: 'memory', ours: `${(bytes / 1e6).toFixed(1)} MB` },
      { measure: 'time to open', ours: seconds(took) },
      ...opened.map(({ folder: own, indexBytes }) => ({
        measure: `of these ${basename(own)}`,
        ours: `${(indexBytes / 1e6).toFixed(1)} MB`,
      })),
    ],
    goals: [
      {
        goal: `less than ${MAX_BYTES / 1e6} MB for a million clips`,
        found: `${(bytes / share / 1e6).toFixed(1)} MB`,
        reached: bytes < MAX_BYTES * share,
        farMissed: bytes > 1.2 * MAX_BYTES * share,
      },
      {
        goal: `opened in at most ${MAX_SECONDS} s`,
        found: seconds(took),
        reached: took <= MAX_SECONDS,
        farMissed: took > FAR * MAX_SECONDS,
      },
    ],
    notes: ['memory: typed arrays and the heap, after a collection of garbage'],
    raw: { rows, bytes, seconds: took },
  };
}

/** Typed arrays and objects, without what is garbage. */
const memory = (): number => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;

function collect(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}
