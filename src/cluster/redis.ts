/** The connection to Redis, on which runs, workers and the queue of shards are; BullMQ and ioredis are optional packages. */
import type { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { UserError } from '../errors.ts';

/** Before all keys; in braces, so that they are on one node of a Redis cluster. */
export const PREFIX = '{whisper-transfer}';

/** BullMQ's scripts need it. */
const OLDEST: readonly [number, number] = [6, 2];
/** A coordinator that finds no Redis in this time ends. */
const PATIENCE_MS = 10_000;
const LONGEST_RETRY_MS = 2_000;
const GOODBYE_MS = 1_000;

/** An open connection, and the queues on it. */
export interface Cluster {
  readonly redis: Redis;
  /** Address without its password. */
  readonly name: string;
  /** The coordinator's side of a run's queue. */
  readonly queue: (run: string) => Queue;
  /** A worker's side: jobs are fetched by hand, and held by a lock that is renewed. @param lostAfter milliseconds */
  readonly fetcher: (run: string, lostAfter: number) => Promise<Worker>;
  readonly close: () => Promise<void>;
}

export interface ConnectOptions {
  /** Wait until Redis is there, rather than for some seconds. */
  readonly waits?: boolean;
  readonly onNote: (note: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Connects to Redis.
 * @param url redis://[user:password@]host[:port][/number], rediss:// with TLS, or the path of a socket
 * @throws UserError where the address is none, its packages are missing, nothing answers, or it would forget jobs
 */
export async function connect(url: string, { waits, onNote, signal }: ConnectOptions): Promise<Cluster> {
  const name = nameOf(url);
  const { bullmq, ioredis } = await libraries();
  const redis = new ioredis.Redis(url.replace(/^unix:\/\/(?=\/)/, ''), {
    // Commands wait while Redis is away.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(LONGEST_RETRY_MS, 50 * 2 ** Math.min(times, 6)),
  });
  try {
    await answer(redis, name, { waits, onNote, signal });
    await checkServer(redis, name);
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  let isAway = false;
  redis.on('error', ({ message }) => {
    if (!isAway) onNote(`${name}: is away (${message || 'no connection'}); waiting for it`);
    isAway = true;
  });
  redis.on('ready', () => {
    if (isAway) onNote(`${name}: is back`);
    isAway = false;
  });
  // Both check Redis by themselves, with warnings of their own.
  const options = { connection: redis, prefix: PREFIX, skipVersionCheck: true };
  const quiet = () => {};
  return {
    redis,
    name,
    queue: (run) => new bullmq.Queue(run, { ...options, skipMetasUpdate: true }).on('error', quiet),
    fetcher: async (run, lostAfter) => {
      const fetcher = new bullmq.Worker(run, null, {
        ...options,
        autorun: false,
        lockDuration: lostAfter,
        stalledInterval: lostAfter / 2,
        // Deaths are counted by the shard (worker.ts), not by the queue.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
      });
      fetcher.on('error', quiet);
      await fetcher.startStalledCheckTimer();
      return fetcher;
    },
    close: async () => {
      await inTime(redis.quit());
      redis.disconnect();
    },
  };
}

/** Waits for a goodbye to Redis, but not for a Redis that is away. */
export async function inTime(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, GOODBYE_MS);
  });
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(timer);
}

function nameOf(url: string): string {
  if (/^(unix:\/\/)?\//.test(url)) return url;
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw unknownAddress(url);
  }
  if (!['redis:', 'rediss:'].includes(parsed.protocol) || parsed.hostname === '') throw unknownAddress(url);
  if (parsed.password) parsed.password = '***';
  return parsed.href.replace(/\/$/, '');
}

const unknownAddress = (url: string): UserError =>
  new UserError(
    `--redis: found "${url.replace(/:[^:@/]*@/, ':***@')}"; expected redis://host:6379, rediss://user:password@host:6379, or the path of a socket`,
  );

async function libraries() {
  try {
    return { bullmq: await import('bullmq'), ioredis: await import('ioredis') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UserError(
      '--redis: the packages bullmq and ioredis are not installed; expected them: npm install bullmq@6.7.0 ioredis@6',
    );
  }
}

/** Resolves once Redis answers. */
function answer(redis: Redis, name: string, { waits, onNote, signal }: ConnectOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    let reason = 'no answer';
    let isTold = false;
    const timer = waits
      ? undefined
      : setTimeout(
          () => end(new UserError(`${name}: cannot be reached: ${reason}; expected a running Redis`)),
          PATIENCE_MS,
        );
    const onError = (error: Error & { code?: string }) => {
      reason = error.message || error.code || reason;
      // Its answer will not change.
      if (/WRONGPASS|NOAUTH|NOPERM/.test(reason)) end(new UserError(`${name}: refuses: ${reason}`));
      else if (waits && !isTold) {
        isTold = true;
        onNote(`${name}: cannot be reached: ${reason}; waiting for it`);
      }
    };
    const onReady = () => end();
    const onAbort = () => end(signal!.reason as Error);
    const end = (error?: Error) => {
      clearTimeout(timer);
      redis.off('error', onError);
      redis.off('ready', onReady);
      signal?.removeEventListener('abort', onAbort);
      if (error) reject(error);
      else resolve();
    };
    redis.on('error', onError);
    redis.on('ready', onReady);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
  });
}

async function checkServer(redis: Redis, name: string): Promise<void> {
  const info = await redis.info();
  const about = (field: string): string => new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const version = about('redis_version');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (version !== '' && (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])))
    throw new UserError(`${name}: found Redis ${version}; expected ${OLDEST.join('.')} or later`);
  const policy = about('maxmemory_policy');
  if (policy !== '' && policy !== 'noeviction' && about('maxmemory') !== '0')
    throw new UserError(
      `${name}: found maxmemory-policy ${policy}, by which a full Redis forgets jobs; expected: redis-cli config set maxmemory-policy noeviction`,
    );
}
