/**
 * A worker: takes shards of the runs that are registered in Redis, has them computed by processes of its own, and writes what
 * they give into the run's folder. It may be killed at any moment, and a shard may be computed twice: its result is a file
 * with a name of its own.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import type { Job, Worker } from 'bullmq';
import { UserError } from '../errors.ts';
import { packageVersion } from '../report/package-version.ts';
import { Engine, type Outcome } from './engine.ts';
import { JOB_KINDS } from './kinds.ts';
import { type Cluster, connect, inTime } from './redis.ts';
import { type Results, sharedResults } from './results.ts';
import { type Root, Roots } from './roots.ts';
import {
  deathsOf,
  type FailedRow,
  type Row,
  RUNS,
  type Run,
  refusalsOf,
  SELF,
  type ShardJob,
  type ShardResult,
  startsOf,
  WORKERS,
  type WorkerStatus,
  writtenOf,
} from './run.ts';
import { aliveOf, tell } from './train-messages.ts';

const POLL_MS = 300;
const RUNS_MS = 1_000;
const BEAT_MS = 1_000;
/** A run that this worker could not take part in is looked at again after it. */
const REFUSAL_MS = 30_000;
/** A shard that ended its process so often is computed row by row, and a row that did so alone is left out. */
const SHARD_DEATHS = 2;
const ROW_DEATHS = 3;
/** The same where the whole worker was lost with it, which mostly is not the shard's doing. */
const LOSSES = 10;
/** Times of shards by which the rate is known. */
const RATE_MS = 30_000;

export interface WorkerOptions {
  /** Address of Redis. */
  readonly redis: string;
  /** Shards at once, each in a process of its own. */
  readonly concurrency: number;
  /** Variables of these processes. */
  readonly environment: Readonly<Record<string, string>>;
  readonly roots: readonly Root[];
  /** Whether programs that runs name are run. */
  readonly allowCommands: boolean;
  /** Seconds of silence after which others count this worker as lost, and do its shards. */
  readonly lostAfter: number;
  /** Ends the worker after the shards in progress. */
  readonly signal: AbortSignal;
  readonly onNote: (note: string) => void;
}

/** Works until the signal aborts. @throws UserError where Redis cannot be used */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { redis, signal, onNote } = options;
  const cluster = await connect(redis, { waits: true, onNote, signal });
  const worker = new ClusterWorker(cluster, options);
  try {
    await worker.work();
  } finally {
    await worker.close();
  }
}

/** A run, as this worker takes part in it. */
interface Seat {
  readonly run: Run;
  readonly fetcher: Worker;
  readonly results: Results;
}

/** Whether a process ended by what it computed: not while it loaded its model. */
const isOwnDoing = (outcome: Outcome): boolean =>
  outcome.type === 'failed' || (outcome.type === 'died' && outcome.begun);

class ClusterWorker {
  readonly #id = randomUUID();
  readonly #engines: Engine[];
  readonly #roots: Roots;
  readonly #seats = new Map<string, Promise<Seat>>();
  /** When this worker was refused, by the token of the run. */
  readonly #refused = new Map<string, number>();
  readonly #told = new Set<string>();
  #runs: Promise<Run[]> = Promise.resolve([]);
  #runsAt = Number.NEGATIVE_INFINITY;
  #beat = 0;
  #crashes = 0;
  /** Of the run of the last shard. */
  #rows = 0;
  #run: string | undefined;
  readonly #doing: (string | undefined)[];
  #finished: { readonly at: number; readonly rows: number }[] = [];
  readonly #startedAt = performance.now();

  constructor(
    private readonly cluster: Cluster,
    private readonly options: WorkerOptions,
  ) {
    this.#engines = Array.from({ length: options.concurrency }, () => new Engine(options.environment));
    this.#doing = this.#engines.map(() => undefined);
    this.#roots = new Roots(options.roots);
  }

  async work(): Promise<void> {
    const { cluster, options } = this;
    options.onNote(`worker ${SELF}, version ${packageVersion}, waits for shards at ${cluster.name}`);
    await this.#tell();
    const beats = setInterval(() => void this.#tell().catch(() => {}), BEAT_MS);
    try {
      await Promise.race([
        Promise.all(this.#engines.map((engine, slot) => this.#loop(engine, slot))),
        this.#endWithoutRedis(),
      ]);
    } finally {
      clearInterval(beats);
    }
  }

  async close(): Promise<void> {
    for (const engine of this.#engines) engine.close();
    await inTime(this.cluster.redis.hdel(WORKERS, this.#id));
    for (const seat of this.#seats.values()) await inTime(seat.then(({ fetcher }) => fetcher.close()));
    await this.cluster.close();
  }

  async #tell(): Promise<void> {
    const status: WorkerStatus = {
      id: this.#id,
      host: hostname(),
      pid: process.pid,
      version: packageVersion,
      concurrency: this.options.concurrency,
      doing: [...new Set(this.#doing.filter(Boolean))].join(', ') || 'waiting',
      run: this.#run,
      rows: this.#rows,
      rate: this.#rate(),
      crashes: this.#crashes,
      lostAfter: 1000 * this.options.lostAfter,
      beat: ++this.#beat,
    };
    // While Redis is away messages are not piled up.
    if (this.cluster.redis.status === 'ready')
      await this.cluster.redis.hset(WORKERS, this.#id, JSON.stringify(status));
  }

  #rate(): number {
    const now = performance.now();
    this.#finished = this.#finished.filter(({ at }) => now - at < RATE_MS);
    const rows = this.#finished.reduce((sum, one) => sum + one.rows, 0);
    return rows / (Math.min(RATE_MS, now - this.#startedAt) / 1000);
  }

  /** Each line once. */
  #tellOnce(line: string): void {
    if (this.#told.has(line)) return;
    this.#told.add(line);
    this.options.onNote(line);
  }

  async #loop(engine: Engine, slot: number): Promise<void> {
    const { signal } = this.options;
    while (!signal.aborted) {
      try {
        if (await this.#next(engine, slot)) continue;
      } catch (error) {
        this.#tellOnce(error instanceof Error ? error.message : String(error));
      }
      this.#doing[slot] = undefined;
      await wait(POLL_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Resolves where the worker is to end while Redis is away: commands wait for it without end, and nobody can be told of a shard. */
  async #endWithoutRedis(): Promise<void> {
    const { signal } = this.options;
    if (!signal.aborted) await once(signal, 'abort');
    while (this.cluster.redis.status === 'ready') await wait(POLL_MS, undefined, { ref: false });
  }

  /** Computes a shard of the oldest run that has one. @returns whether there was one */
  async #next(engine: Engine, slot: number): Promise<boolean> {
    for (const run of await this.#knownRuns()) {
      const kind = JOB_KINDS[run.kind];
      if (kind && 'join' in kind) {
        if (await this.#join(run, engine, slot)) return true;
        continue;
      }
      const seat = await this.#seat(run);
      if (!seat) continue;
      const token = randomUUID();
      const job: Job<ShardJob> | undefined = await seat.fetcher.getNextJob(token, { block: false });
      if (!job) continue;
      this.#doing[slot] = JOB_KINDS[run.kind]!.doing;
      const milliseconds = 1000 * this.options.lostAfter;
      const renewal = setInterval(() => {
        // A lock that is lost: another worker has the shard, too, and writes the same.
        if (this.cluster.redis.status === 'ready') job.extendLock(token, milliseconds).catch(() => {});
      }, milliseconds / 3);
      try {
        await this.#compute(seat, job, token, engine);
      } finally {
        clearInterval(renewal);
      }
      return true;
    }
    return false;
  }

  #knownRuns(): Promise<Run[]> {
    if (performance.now() - this.#runsAt < RUNS_MS) return this.#runs;
    this.#runsAt = performance.now();
    this.#runs = this.cluster.redis.hvals(RUNS).then((texts) => {
      const runs = texts.map((text) => JSON.parse(text) as Run).sort((a, b) => a.since - b.since);
      const ids = new Set(runs.map(({ id }) => id));
      for (const [id, seat] of this.#seats) {
        if (ids.has(id)) continue;
        this.#seats.delete(id);
        seat.then(({ fetcher }) => fetcher.close()).catch(() => {});
      }
      return runs;
    });
    return this.#runs;
  }

  #isRefused({ token }: Run): boolean {
    const refused = this.#refused.get(token);
    return refused !== undefined && performance.now() - refused < REFUSAL_MS;
  }

  /** Takes part in a run that is not cut into shards, until it ends. @returns whether it took part */
  async #join(run: Run, engine: Engine, slot: number): Promise<boolean> {
    const { redis } = this.cluster;
    const { roots, signal, allowCommands } = this.options;
    if (this.#isRefused(run)) return false;
    try {
      this.#check(run);
    } catch (error) {
      await this.#refuse(run, (error as UserError).message);
      return false;
    }
    if (!(await redis.exists(aliveOf(run.token)))) return false;
    this.#doing[slot] = JOB_KINDS[run.kind]!.doing;
    this.#run = run.id;
    this.#tellOnce(`opens the training of ${run.coordinator}`);
    const id = randomUUID();
    // What it computes then, others do. Again and again, as its process may only just start.
    const leaving = setInterval(() => signal.aborted && engine.close(), POLL_MS);
    const membership = { id, name: SELF, redis: this.options.redis };
    const outcome = await engine.compute({ run, rows: [], roots, allowCommands, membership });
    clearInterval(leaving);
    engine.close();
    if (redis.status === 'ready') await tell(redis, run.token, { from: id, name: SELF, type: 'left' });
    if (outcome.type === 'refused') await this.#refuse(run, outcome.reason);
    else if (outcome.type !== 'done' && !signal.aborted) {
      this.#crashes++;
      this.options.onNote(`the process that trained ended: ${outcome.reason}`);
      this.#refused.set(run.token, performance.now());
    }
    return true;
  }

  /** Undefined where this worker cannot take part in the run. */
  async #seat(run: Run): Promise<Seat | undefined> {
    if (this.#isRefused(run)) return undefined;
    let seat = this.#seats.get(run.id);
    if (!seat || (await seat.catch(() => undefined))?.run.token !== run.token) {
      const before = seat;
      seat = this.#takeSeat(run, before);
      this.#seats.set(run.id, seat);
    }
    try {
      return await seat;
    } catch (error) {
      this.#seats.delete(run.id);
      if (!(error instanceof UserError)) throw error;
      await this.#refuse(run, error.message);
      return undefined;
    }
  }

  /** @throws UserError where this program does not know the run's work */
  #check(run: Run): void {
    if (run.version !== packageVersion)
      throw new UserError(
        `found version ${packageVersion} of whisper-transfer here; expected ${run.version}, as at the coordinator ${run.coordinator}`,
      );
    if (!JOB_KINDS[run.kind])
      throw new UserError(
        `found a run of kind "${run.kind}"; expected one of ${Object.keys(JOB_KINDS).join(', ')}`,
      );
  }

  async #takeSeat(run: Run, before: Promise<Seat> | undefined): Promise<Seat> {
    this.#check(run);
    const results = await sharedResults(run, this.#roots, this.options);
    const fetcher =
      (await before?.catch(() => undefined))?.fetcher ??
      (await this.cluster.fetcher(run.id, 1000 * this.options.lostAfter));
    return { run, results, fetcher };
  }

  /** Tells the user here, and that of the coordinator. */
  async #refuse(run: Run, reason: string): Promise<void> {
    this.#refused.set(run.token, performance.now());
    this.#tellOnce(`takes no part in the run of ${run.coordinator}: ${reason}`);
    await this.cluster.redis.hset(refusalsOf(run.id), this.#id, `${SELF}: ${reason}`);
  }

  async #compute(seat: Seat, job: Job<ShardJob>, token: string, engine: Engine): Promise<void> {
    const { run, results } = seat;
    const { redis } = this.cluster;
    const key = job.id!;
    const { rows } = job.data;
    // The lock may be lost, by a pause or a Redis that lost its data: what counts is the file.
    const end = () => job.moveToCompleted('', token, false).catch(() => {});
    const giveBack = () => job.moveToWait(token).catch(() => {});
    if (await results.has(key)) {
      await end();
      return;
    }
    if (this.#run !== run.id) this.#rows = 0;
    this.#run = run.id;
    const [starts, deaths] = [startsOf(run.id), deathsOf(run.id)];
    const begun = await redis.hincrby(starts, key, 1);
    const outcome =
      begun > LOSSES || Number(await redis.hget(deaths, key)) >= SHARD_DEATHS
        ? await this.#rowByRow(run, key, rows, engine)
        : await this.#ask(engine, run, rows);
    // This worker lives, whatever its process did.
    await redis.hincrby(starts, key, -1);
    if (outcome.type === 'refused') {
      await giveBack();
      await this.#refuse(run, outcome.reason);
      return;
    }
    if (outcome.type !== 'done') {
      if (isOwnDoing(outcome)) await redis.hincrby(deaths, key, 1);
      await giveBack();
      return;
    }
    try {
      await results.write(key, outcome.result);
    } catch (error) {
      await giveBack();
      if (!(error instanceof UserError)) throw error;
      await this.#refuse(run, error.message);
      return;
    }
    await redis.rpush(writtenOf(run.id), key);
    this.#rows += rows.length;
    this.#finished.push({ at: performance.now(), rows: rows.length });
    for (const counts of [starts, deaths])
      await redis.hdel(counts, key, ...rows.map((_, i) => `${key}/${i}`));
    await end();
  }

  async #ask(engine: Engine, run: Run, rows: readonly Row[]): Promise<Outcome> {
    const { roots, allowCommands } = this.options;
    const outcome = await engine.compute({ run, rows, roots, allowCommands });
    if (outcome.type === 'died' || outcome.type === 'failed') {
      this.#crashes++;
      this.options.onNote(
        `the process that computed ${rows[0]!.name}${rows.length > 1 ? ` and ${rows.length - 1} more` : ''} ended: ${outcome.reason}`,
      );
    }
    return outcome;
  }

  /**
   * Finds rows that end their process, each by itself, and computes the others together, as a single process would have
   * without them.
   */
  async #rowByRow(run: Run, key: string, rows: readonly Row[], engine: Engine): Promise<Outcome> {
    const alone: (ShardResult<object> | undefined)[] = [];
    const left: (FailedRow | undefined)[] = [];
    for (const [i, row] of rows.entries()) {
      const { redis } = this.cluster;
      const [starts, deaths] = [startsOf(run.id), deathsOf(run.id)];
      const field = `${key}/${i}`;
      let reason = 'its worker was lost';
      for (;;) {
        const died = Number(await redis.hget(deaths, field));
        const begun = await redis.hincrby(starts, field, 1);
        if (died >= ROW_DEATHS || begun > LOSSES) {
          const times = Math.max(died, begun - 1);
          left[i] = {
            error: `${row.name}: left out: ended the process that computed it ${times} times (${reason})`,
          };
          this.options.onNote(left[i].error);
          break;
        }
        const outcome = await this.#ask(engine, run, [row]);
        await redis.hincrby(starts, field, -1);
        if (outcome.type === 'refused') return outcome;
        if (outcome.type === 'done') {
          alone[i] = outcome.result;
          break;
        }
        reason = outcome.reason;
        if (isOwnDoing(outcome)) await redis.hincrby(deaths, field, 1);
      }
    }
    const others = rows.filter((_, i) => !left[i]);
    const together = others.length > 0 ? await this.#ask(engine, run, others) : undefined;
    if (together?.type === 'refused') return together;
    const found: ShardResult<object> =
      together?.type === 'done'
        ? together.result
        : {
            results: alone.flatMap((one) => one?.results ?? []),
            notes: alone.flatMap((one) => one?.notes ?? []),
            damage: alone.flatMap((one) => one?.damage ?? []),
          };
    let next = 0;
    const results = rows.map((_, i) => left[i] ?? found.results[next++]!);
    return { type: 'done', result: { ...found, results } };
  }
}
