/** Where results of shards are on their way: a folder that the machines share, or S3. */
import { join, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { FolderStore } from './folder-store.ts';
import type { Cluster } from './redis.ts';

/** A run's files, small ones by name; each is there as a whole or not at all. */
export interface Store {
  /** As messages call it: a path, or s3://bucket/prefix/run. */
  readonly place: string;
  /** Makes it ready to be written. @throws UserError where it cannot be written */
  readonly create: () => Promise<void>;
  /**
   * Keeps other coordinators away.
   * @returns the function that lets them in
   * @throws UserError where another one does the run
   */
  readonly lock: (cluster: Cluster) => Promise<() => Promise<void>>;
  readonly names: () => Promise<readonly string[]>;
  readonly has: (name: string) => Promise<boolean>;
  /** Undefined where there is none. */
  readonly read: (name: string) => Promise<string | undefined>;
  /** Writes a file, also in the place of another. @throws UserError where it cannot be written */
  readonly write: (name: string, text: string) => Promise<void>;
  /** Removes files, also such as are not there. */
  readonly remove: (names: readonly string[]) => Promise<void>;
}

export interface StoreOptions {
  /** Called with a line. */
  readonly onNote: (note: string) => void;
  /** Ends waiting for a store that is away. */
  readonly signal?: AbortSignal | undefined;
}

/** Bucket and prefix. */
const S3_NAME = /^s3:\/\/([\w.-]{3,63})(?:\/+(.*?))?\/*$/;

/**
 * Places of runs in a store, as the coordinator names them.
 * @param store a folder, or s3://bucket/prefix
 * @throws UserError where it is neither
 */
export function placesIn(store: string): (run: string) => string {
  if (!/^[a-z][a-z\d+-]+:\/\//i.test(store)) return (run) => join(resolve(store), run);
  const [, bucket, prefix] = S3_NAME.exec(store) ?? [];
  if (!bucket)
    throw new UserError(`--store: found "${store}"; expected a folder, or S3 as s3://bucket/prefix`);
  return (run) => ['s3:/', bucket, prefix, run].filter(Boolean).join('/');
}

/**
 * @param place of a run ({@link placesIn}), as it is named on this machine
 * @throws UserError where the package for S3 is missing
 */
export async function openStore(place: string, options: StoreOptions): Promise<Store> {
  const [, bucket, prefix = ''] = S3_NAME.exec(place) ?? [];
  if (!bucket) return new FolderStore(place, options);
  const { S3Store } = await import('./s3-store.ts');
  return S3Store.open({ place, bucket, prefix }, options);
}
