/** Where results of shards are on their way: a folder that the machines share, or S3. */
import { join, resolve } from 'node:path';
import { FolderStore } from './folder-store.ts';

/** A run's files, small ones by name; each is there as a whole or not at all. */
export interface Store {
  /** As messages call it: a path, or s3://bucket/prefix/run. */
  readonly place: string;
  /** Makes it ready to be written. @throws UserError where it cannot be written */
  readonly create: () => Promise<void>;
  readonly names: () => Promise<readonly string[]>;
  readonly has: (name: string) => Promise<boolean>;
  /** Undefined where there is none. */
  readonly read: (name: string) => Promise<string | undefined>;
  /** Writes a file, also in the place of another. @throws UserError where it cannot be written */
  readonly write: (name: string, text: string) => Promise<void>;
  /** Removes files, also such as are not there. */
  readonly remove: (names: readonly string[]) => Promise<void>;
}

/** The place of a run in a store as the coordinator names it. @param store a folder */
export const placeIn = (store: string, run: string): string => join(resolve(store), run);

/** @param place of a run ({@link placeIn}), as it is named on this machine */
export const openStore = async (place: string): Promise<Store> => new FolderStore(place);
