/** Folders that have another path on a worker's machine than on the coordinator's. */
import { UserError } from '../errors.ts';

/** The coordinator's path, and that of the same folder here. */
export type Root = readonly [theirs: string, here: string];

/** Parses `/mnt/corpora=/data/corpora`. */
export function rootOf(value: string): Root {
  const at = value.indexOf('=');
  const [theirs, here] = [value.slice(0, at), value.slice(at + 1)].map((path) =>
    path.replace(/(?<=.)[/\\]+$/, ''),
  );
  if (at < 1 || !theirs || !here)
    throw new UserError(
      `--root: found "${value}"; expected the coordinator's path and this machine's, such as /mnt/corpora=/data/corpora`,
    );
  return [theirs, here];
}

export class Roots {
  constructor(private readonly roots: readonly Root[]) {}

  /** The path of a file of the coordinator's here. */
  here(path: string): string {
    for (const [theirs, here] of this.roots) if (isIn(path, theirs)) return here + path.slice(theirs.length);
    return path;
  }

  /** A message with the coordinator's paths. */
  theirs(message: string): string {
    return this.roots.reduce((text, [theirs, here]) => text.replaceAll(here, theirs), message);
  }
}

const isIn = (path: string, folder: string): boolean =>
  path === folder || (path.startsWith(folder) && /[/\\]/.test(path[folder.length]!));
