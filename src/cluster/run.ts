/** What coordinator and workers tell each other: runs, shards, their results, and what workers say of themselves. */
import { hostname } from 'node:os';
import { PREFIX } from './redis.ts';

/** A row of a job: a clip, a sentence. */
export interface Row {
  /** What messages call it, as the coordinator's user wrote it. */
  readonly name: string;
}

/** The result of a row that could not be used, one line. */
export interface FailedRow {
  readonly error: string;
}

/** Whether a row could not be used. */
export const isFailed = <Result>(result: Result | FailedRow): result is FailedRow =>
  typeof (result as Partial<FailedRow>).error === 'string';

/** What a shard's rows gave, in their order; and what there was to say. */
export interface ShardResult<Result> {
  readonly results: readonly (Result | FailedRow)[];
  readonly notes: readonly string[];
  /** Recordings that are cut off or damaged, and how. */
  readonly damage: readonly (readonly [file: string, damage: string])[];
}

/** A model, and the fingerprint of its files. */
export interface RunModel {
  /** Its folder, as the coordinator sees it, or EMBEDDED. */
  readonly directory: string;
  /** Its name on the Hugging Face hub, pinned to a commit, where it came from there. */
  readonly hub?: string | undefined;
  readonly fingerprint: string;
}

/** The model that comes with the package, wherever that is installed. */
export const EMBEDDED = 'embedded';

/** A run, as it is registered in Redis while its coordinator lives. */
export interface Run {
  readonly id: string;
  readonly kind: string;
  readonly version: string;
  readonly model: RunModel;
  /** Of the kind of job; paths are absolute, as the coordinator sees them. */
  readonly options: unknown;
  /** Of its results in the store (store.ts), as the coordinator names it. */
  readonly place: string;
  /** In a file there, too: who reads it sees the same store. */
  readonly token: string;
  /** Other folders that workers write into, as the coordinator sees them: the token is there, too. */
  readonly folders: readonly string[];
  readonly since: number;
  /** host:pid */
  readonly coordinator: string;
}

/** The data of a BullMQ job, whose id is the shard's key. */
export interface ShardJob {
  readonly rows: readonly Row[];
}

/** What a worker says of itself, every second. */
export interface WorkerStatus {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly concurrency: number;
  /** What it does now, such as "encoding"; "waiting". */
  readonly doing: string;
  /** The run of its last shard. */
  readonly run?: string | undefined;
  /** Of that run. */
  readonly rows: number;
  /** Rows in a second, over the last half minute. */
  readonly rate: number;
  /** Processes that died while they computed. */
  readonly crashes: number;
  /** Milliseconds of silence after which it counts as lost. */
  readonly lostAfter: number;
  /** Grows with each message. */
  readonly beat: number;
}

export const RUNS = `${PREFIX}:runs`;
export const WORKERS = `${PREFIX}:workers`;
/** By worker: why it takes no part in a run. */
export const refusalsOf = (run: string): string => `${PREFIX}:${run}:refusals`;
/** Keys of shards whose results were written: where the coordinator looks next. Files alone say what is done. */
export const writtenOf = (run: string): string => `${PREFIX}:${run}:written`;
/** By shard, and by row of a shard: how often it was begun by a worker that was lost, or is at it. */
export const startsOf = (run: string): string => `${PREFIX}:${run}:starts`;
/** Likewise: how often it ended the process that computed it. */
export const deathsOf = (run: string): string => `${PREFIX}:${run}:deaths`;

/** host:pid */
export const workerName = ({ host, pid }: Pick<WorkerStatus, 'host' | 'pid'>): string => `${host}:${pid}`;

/** The name of this process. */
export const SELF = workerName({ host: hostname(), pid: process.pid });
