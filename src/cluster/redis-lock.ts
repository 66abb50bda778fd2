/** A lock of coordinators in Redis, for stores that have none of their own. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { UserError } from '../errors.ts';
import { type Cluster, PREFIX } from './redis.ts';
import { SELF } from './run.ts';
import type { StoreOptions } from './store.ts';

/** A lock of a coordinator that is gone lasts so long. */
const LOCK_MS = 10_000;
const LOCK_RENEWAL_MS = 2_000;
const LOCK_POLL_MS = 200;

/**
 * Keeps other coordinators with the same Redis away, by a key that is renewed.
 * @param what the lock is for, which is a part of its name
 * @returns the function that removes it
 * @throws UserError where another process has it
 */
export async function lockInRedis(
  { redis }: Cluster,
  what: string,
  { onNote, signal }: StoreOptions,
): Promise<() => Promise<void>> {
  const key = `${PREFIX}:lock:${what}`;
  const own = `${SELF} ${randomUUID()}`;
  const take = async () => (await redis.set(key, own, 'PX', LOCK_MS, 'NX')) !== null;
  let [left, isTold] = [Number.POSITIVE_INFINITY, false];
  while (!(await take())) {
    const [owner = ''] = ((await redis.get(key)) ?? '').split(' ');
    const now = await redis.pttl(key);
    if (now > left)
      throw new UserError(
        `${what}: the process ${owner} does the same run; expected another store, or to wait for its end`,
      );
    if (!isTold) onNote(`${what}: of a run of ${owner}; looking for ${LOCK_MS / 1000} s whether it is alive`);
    [left, isTold] = [now, true];
    await wait(LOCK_POLL_MS, undefined, signal && { signal });
  }
  const renew = async () => {
    if (redis.status !== 'ready') return;
    const found = await redis.get(key);
    if (found === own) await redis.pexpire(key, LOCK_MS);
    // Redis lost its data.
    else if (found === null) await take();
  };
  const renewal = setInterval(() => void renew().catch(() => {}), LOCK_RENEWAL_MS);
  return async () => {
    clearInterval(renewal);
    if (redis.status === 'ready' && (await redis.get(key)) === own) await redis.del(key);
  };
}
