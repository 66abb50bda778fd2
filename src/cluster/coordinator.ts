/**
 * The coordinator: registers a run in Redis, keeps some of its shards in the queue, and hands out results in the order of the
 * shards. What is done is known from the files in the run's folder alone: messages say only where to look, may be lost or come
 * twice, and a Redis that lost its data is filled again.
 */
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import { fileOfReference, isReference } from '../audio/audio-reference.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { modelFingerprint } from '../checkpoint/model-fingerprint.ts';
import { damageReport } from '../data/recording.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { nameOf, repoOfSnapshot } from '../hub/names.ts';
import { formatDuration, formatNumber } from '../report/format.ts';
import { packageVersion } from '../report/package-version.ts';
import type { WorkOptions } from '../report/progress.ts';
import { type Cluster, connect, inTime } from './redis.ts';
import { markFolders, Results } from './results.ts';
import {
  deathsOf,
  EMBEDDED,
  isFailed,
  type Row,
  RUNS,
  type Run,
  type RunModel,
  refusalsOf,
  SELF,
  type ShardJob,
  type ShardResult,
  startsOf,
  WORKERS,
  type WorkerStatus,
  workerName,
  writtenOf,
} from './run.ts';
import { openStore, placesIn } from './store.ts';

const TICK_MS = 250;
/** The queue is compared with what should be in it. */
const CHECK_MS = 2_000;
const WORKERS_MS = 1_000;
/** The whole folder is listed: with many shards on a file server that takes its time. */
const LIST_MS = 30_000;
/** Shards in the queue: their rows are in Redis' memory. */
const QUEUED = 256;
const FILES_AT_ONCE = 64;
/** Of shards that are done; the next tick takes more. */
const MESSAGES_AT_ONCE = 256;
/** Without a worker a note says so after the first time, and then after each second. */
const PATIENCE_MS = 5_000;
const REMINDER_MS = 60_000;
/** Workers that a line of progress names. */
const NAMED = 3;

export interface ClusterOptions {
  /** Address of Redis. */
  readonly redis: string;
  /** Folder that the machines share, or s3://bucket/prefix, for results on their way. */
  readonly store: string;
  /** Called each second with the workers. */
  readonly onWorkers?: ((workers: readonly WorkerView[]) => void) | undefined;
}

/** A worker as its messages show it. */
export interface WorkerView extends WorkerStatus {
  /** Whether it was silent for too long. */
  readonly lost: boolean;
  /** Whether its last shard was one of this run's. */
  readonly own: boolean;
}

export interface ClusterJob<R extends Row> {
  /** A name of JOB_KINDS (kinds.ts). */
  readonly kind: string;
  readonly options: object;
  /** Folder of the model. */
  readonly model: string;
  readonly shards: readonly (readonly R[])[];
  /** Files of a row, absolute paths: a file that changed makes another shard. */
  readonly filesOf: (row: R) => readonly string[];
  /** Files that the options name. */
  readonly files?: readonly string[] | undefined;
  /** Folders, absolute paths, that workers write into: a worker that does not share them takes no part. */
  readonly folders?: readonly string[] | undefined;
  /** Shards that are not needed, as their results are known. */
  readonly known?: ((shard: number) => boolean) | undefined;
}

/** A shard's place, and what it gave; without a result where it was known. */
export interface DoneShard<Result> {
  readonly shard: number;
  readonly result: ShardResult<Result> | undefined;
}

/**
 * Has the shards of a job computed by workers. Results come in the order of the shards. Where the iteration ends early, results
 * stay in the store, and the same job goes on from them.
 * @throws UserError where Redis or the store cannot be used, or another coordinator does the same job
 */
export async function* shardResults<R extends Row, Result>(
  { redis, store: into, onWorkers }: ClusterOptions,
  job: ClusterJob<R>,
  { onNote = () => {}, signal, ...work }: WorkOptions & { readonly stage: string },
): AsyncGenerator<DoneShard<Result>, void, undefined> {
  const placeOf = placesIn(into);
  const model = await runModel(job.model);
  const { kind, options, files = [], folders = [] } = job;
  // A shard's key: all that its result depends on.
  const named = await Promise.all(files.map((file) => identityOf(file, new Map())));
  const common = fingerprint(JSON.stringify([packageVersion, kind, model, options, named]), 32);
  const keys = await shardKeys(job, common, signal);
  const id = fingerprint(`${common}\n${keys.join('\n')}`, 24);
  const place = placeOf(id);
  const cluster = await connect(redis, { onNote, signal });
  try {
    const store = await openStore(place, { onNote, signal });
    const unlock = await store.lock(cluster);
    const run: Run = {
      ...{ id, kind, version: packageVersion, model, options },
      ...{ place, folders, token: randomUUID(), since: Date.now() },
      coordinator: SELF,
    };
    const results = new Results(store);
    const coordinator = new Coordinator<R, Result>(cluster, results, run, job, keys, {
      ...{ ...work, onNote, onWorkers, signal },
    });
    let whole = false;
    let unmark: (() => Promise<void>) | undefined;
    try {
      unmark = await markFolders(run, { onNote, signal });
      await coordinator.begin();
      const damage = damageReport(onNote);
      const notes = new Set<string>();
      for (let shard = 0; shard < keys.length; shard++) {
        const result = asGiven(await coordinator.result(shard), job.shards[shard]!, job.filesOf);
        for (const note of result?.notes ?? []) {
          if (!notes.has(note)) onNote(note);
          notes.add(note);
        }
        for (const [file, what] of result?.damage ?? []) damage.add(file, what);
        yield { shard, result };
      }
      damage.end();
      whole = true;
    } finally {
      await coordinator.end(whole);
      await unmark?.();
      await unlock();
    }
  } finally {
    await cluster.close();
  }
}

/** A result whose messages name recordings as the user does. */
function asGiven<R extends Row, Result>(
  result: ShardResult<Result> | undefined,
  rows: readonly R[],
  filesOf: (row: R) => readonly string[],
): ShardResult<Result> | undefined {
  if (!result) return undefined;
  const renamed = rows.flatMap((row) => {
    const [file] = filesOf(row);
    return file === undefined || file === row.name ? [] : [[file, row.name] as const];
  });
  const given = (text: string): string =>
    renamed.reduce((changed, [file, name]) => changed.replaceAll(file, name), text);
  return {
    results: result.results.map((one) => (isFailed(one) ? { error: given(one.error) } : one)),
    notes: result.notes.map(given),
    damage: result.damage.map(([file, what]) => [given(file), what] as const),
  };
}

/** A model's folder as workers look for it. */
export async function runModel(directory: string): Promise<RunModel> {
  const isEmbedded = resolve(directory) === resolve(embeddedModel);
  const snapshot = repoOfSnapshot(resolve(directory));
  return {
    directory: isEmbedded ? EMBEDDED : resolve(directory),
    hub: snapshot && nameOf(snapshot.repo, snapshot.commit),
    fingerprint: await modelFingerprint(directory),
  };
}

async function shardKeys<R extends Row>(
  { shards, filesOf }: ClusterJob<R>,
  common: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const known = new Map<string, Promise<string>>();
  const keys: string[] = [];
  for (const rows of shards) {
    signal?.throwIfAborted();
    const files = [...new Set(rows.flatMap(filesOf))];
    const identities: string[] = [];
    for (let start = 0; start < files.length; start += FILES_AT_ONCE) {
      const some = files.slice(start, start + FILES_AT_ONCE);
      for (const one of await Promise.all(some.map((file) => identityOf(file, known)))) identities.push(one);
    }
    // With its place: the same clips may stand in a list twice.
    keys.push(fingerprint(JSON.stringify([common, keys.length, rows, identities]), 32));
  }
  return keys;
}

/** Size and time of a file, or of the one that a reference is into; or that there is none. */
async function identityOf(audio: string, files: Map<string, Promise<string>>): Promise<string> {
  const look = async (path: string): Promise<string> => {
    const found = await stat(path).catch(() => undefined);
    return found ? `${found.size} ${found.mtimeMs}` : 'none';
  };
  const own = await look(audio);
  if (own !== 'none' || !isReference(audio)) return own;
  const file = fileOfReference(audio);
  const known = files.get(file) ?? look(file);
  files.set(file, known);
  return known;
}

interface Watching extends Pick<WorkOptions, 'onProgress' | 'signal'> {
  readonly stage: string;
  readonly onNote: (note: string) => void;
  readonly onWorkers: ClusterOptions['onWorkers'];
}

interface Silence {
  readonly beat: number;
  /** When this process first saw the beat: no clock is compared with another machine's. */
  readonly since: number;
}

class Coordinator<R extends Row, Result> {
  readonly #queue: Queue<ShardJob>;
  readonly #shardOf: ReadonlyMap<string, number>;
  readonly #done: Uint8Array;
  readonly #queued = new Set<number>();
  /** Keys that workers say are done, and that this process has not seen. */
  readonly #written = new Set<string>();
  #listedAt = 0;
  /** All before it are done or in the queue. */
  #next = 0;
  #rows = 0;
  #resumed = 0;
  readonly #all: number;
  #checkedAt = 0;
  #workersAt = 0;
  readonly #silences = new Map<string, Silence>();
  #workers: readonly WorkerView[] = [];
  readonly #told = new Set<string>();
  #lonelySince: number | undefined;
  #note = '';
  #ended = false;
  #failure: unknown;
  #ticking: Promise<void> = Promise.resolve();
  #onTick: (() => void)[] = [];

  constructor(
    private readonly cluster: Cluster,
    private readonly results: Results,
    private readonly run: Run,
    private readonly job: ClusterJob<R>,
    private readonly keys: readonly string[],
    private readonly work: Watching,
  ) {
    this.#queue = cluster.queue(run.id);
    this.#shardOf = new Map(keys.map((key, shard) => [key, shard]));
    this.#done = new Uint8Array(keys.length);
    this.#all = job.shards.reduce((sum, rows) => sum + rows.length, 0);
  }

  async begin(): Promise<void> {
    await this.results.begin(this.run.token);
    for (const shard of this.keys.keys()) if (this.job.known?.(shard)) this.#end(shard);
    await this.#list();
    this.#resumed = this.#rows;
    this.#report();
    this.#ticking = this.#loop();
  }

  async #loop(): Promise<void> {
    while (!this.#ended && this.#failure === undefined) {
      try {
        await this.#collect();
        await this.#fill();
        await this.#watch();
      } catch (error) {
        if (!this.#ended) this.#failure = error;
      }
      for (const wake of this.#onTick.splice(0)) wake();
      await wait(TICK_MS);
    }
  }

  #end(shard: number): void {
    if (this.#done[shard]) return;
    this.#done[shard] = 1;
    this.#queued.delete(shard);
    this.#rows += this.job.shards[shard]!.length;
  }

  /** Looks at the shards that workers say are done, and now and then at all. */
  async #collect(): Promise<void> {
    if (performance.now() - this.#listedAt > LIST_MS) return this.#list();
    const { redis } = this.cluster;
    if (redis.status !== 'ready') return;
    for (const key of (await redis.lpop(writtenOf(this.run.id), MESSAGES_AT_ONCE)) ?? [])
      this.#written.add(key);
    // A file that this machine does not see yet is looked at again.
    await this.#endThose([...this.#written], (key) => this.results.has(key));
  }

  async #list(): Promise<void> {
    this.#listedAt = performance.now();
    const keys = await this.results.keys();
    await this.#endThose(keys, async () => true);
  }

  async #endThose(keys: Iterable<string>, isThere: (key: string) => Promise<boolean>): Promise<void> {
    const before = this.#rows;
    for (const key of keys) {
      const shard = this.#shardOf.get(key);
      if (shard !== undefined && !this.#done[shard] && !(await isThere(key))) continue;
      this.#written.delete(key);
      if (shard !== undefined) this.#end(shard);
    }
    if (this.#rows !== before) this.#report();
  }

  #report(): void {
    const { stage, onProgress } = this.work;
    onProgress?.({ stage, done: this.#rows, total: this.#all, resumed: this.#resumed, note: this.#note });
  }

  /** Fills the queue, and registers the run where Redis does not know it. */
  async #fill(): Promise<void> {
    const { redis } = this.cluster;
    if (redis.status !== 'ready' || this.#ended) return;
    const missing: number[] = [];
    if (performance.now() - this.#checkedAt > CHECK_MS) {
      this.#checkedAt = performance.now();
      await redis.hset(RUNS, this.run.id, JSON.stringify(this.run));
      const counts = await this.#queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized');
      const found = Object.values(counts).reduce((sum, count) => sum + count, 0);
      // Redis lost its data, or results are there that no message told of: jobs that exist are not added again.
      await this.#collect();
      if (found < this.#queued.size) {
        await this.#list();
        for (const shard of this.#queued) missing.push(shard);
      }
    }
    for (; this.#queued.size < QUEUED && this.#next < this.keys.length; this.#next++) {
      if (this.#done[this.#next]) continue;
      this.#queued.add(this.#next);
      missing.push(this.#next);
    }
    if (missing.length === 0) return;
    await this.#queue.addBulk(
      missing.map((shard) => ({
        name: this.run.kind,
        data: { rows: this.job.shards[shard]! },
        opts: { jobId: this.keys[shard]!, removeOnComplete: true, removeOnFail: true },
      })),
    );
  }

  async #watch(): Promise<void> {
    const { redis } = this.cluster;
    if (redis.status !== 'ready' || performance.now() - this.#workersAt < WORKERS_MS) return;
    this.#workersAt = performance.now();
    const texts = await redis.hvals(WORKERS);
    const workers = texts.map((text) => this.#view(JSON.parse(text) as WorkerStatus));
    for (const line of Object.values(await redis.hgetall(refusalsOf(this.run.id))))
      this.#tellOnce(`worker ${line}; it takes no part`);
    this.#workers = workers;
    const ours = workers.filter((worker) => worker.own);
    const [own, lost] = [ours.filter((worker) => !worker.lost), ours.filter((worker) => worker.lost)];
    for (const worker of lost)
      this.#tellOnce(
        `worker ${workerName(worker)} is lost: silent for ${formatDuration(worker.lostAfter / 1000)}; others do what it had`,
      );
    this.#remind(workers.some(({ lost, version }) => !lost && version === this.run.version));
    const rates = own.map((worker) => `${workerName(worker)} ${formatNumber(worker.rate, 1)}/s`);
    this.#note = [
      `${own.length} ${own.length === 1 ? 'worker' : 'workers'}${own.length > 0 && own.length <= NAMED ? `: ${rates.join(', ')}` : ''}`,
      ...(lost.length > 0 ? [`${lost.length} lost`] : []),
    ].join(', ');
    this.#report();
    this.work.onWorkers?.(workers);
  }

  #view(status: WorkerStatus): WorkerView {
    const now = performance.now();
    let silence = this.#silences.get(status.id);
    if (silence?.beat !== status.beat) {
      silence = { beat: status.beat, since: now };
      this.#silences.set(status.id, silence);
    }
    return {
      ...status,
      lost: now - silence.since > status.lostAfter,
      own: status.run === this.run.id,
    };
  }

  #remind(isSomebodyThere: boolean): void {
    const now = performance.now();
    if (isSomebodyThere || this.#rows === this.#all) {
      this.#lonelySince = undefined;
      return;
    }
    this.#lonelySince ??= now - REMINDER_MS + PATIENCE_MS;
    if (now - this.#lonelySince < REMINDER_MS) return;
    this.#lonelySince = now;
    this.work.onNote(
      `no worker is there; expected at least one: whisper-transfer worker --redis ${this.cluster.name}`,
    );
  }

  #tellOnce(line: string): void {
    if (this.#told.has(line)) return;
    this.#told.add(line);
    this.work.onNote(line);
  }

  /** A shard's result, once it is there; undefined where it was known. */
  async result(shard: number): Promise<ShardResult<Result> | undefined> {
    if (this.job.known?.(shard)) return undefined;
    for (;;) {
      if (this.#done[shard]) {
        const rows = this.job.shards[shard]!;
        const result = await this.results.read<Result>(this.keys[shard]!, rows.length);
        if (result) return result;
        this.#tellOnce(`${this.run.place}: ${this.keys[shard]}.json: not whole; computed again`);
        await this.#again(shard);
      }
      if (this.#failure !== undefined) throw this.#failure;
      this.work.signal?.throwIfAborted();
      await new Promise<void>((resolve) => this.#onTick.push(resolve));
    }
  }

  async #again(shard: number): Promise<void> {
    await this.results.remove(this.keys[shard]!);
    this.#done[shard] = 0;
    this.#rows -= this.job.shards[shard]!.length;
    this.#next = Math.min(this.#next, shard);
  }

  /** @param whole whether all results were handed out: then nothing of the run is kept */
  async end(whole: boolean): Promise<void> {
    this.#ended = true;
    await inTime(this.#ticking);
    const { redis } = this.cluster;
    if (redis.status === 'ready') {
      await inTime(redis.hdel(RUNS, this.run.id));
      // A worker that only paused tells of itself again.
      const lost = this.#workers.flatMap((worker) => (worker.lost ? [worker.id] : []));
      if (lost.length > 0) await inTime(redis.hdel(WORKERS, ...lost));
      await inTime(this.#queue.obliterate({ force: true }));
      const keys = [refusalsOf, startsOf, deathsOf, writtenOf].map((of) => of(this.run.id));
      await inTime(redis.del(...keys));
    }
    await inTime(this.#queue.close());
    for (const wake of this.#onTick.splice(0)) wake();
    if (whole) await this.results.clear();
  }
}
