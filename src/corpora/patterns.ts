/** Patterns of files that the shell did not expand: `train-{000000..000099}.tar`, `shards/*.tar`. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../errors.ts';
import { isThere } from './corpus.ts';

/** Names that braces may stand for. */
const MAX_NAMES = 100_000;

/** Whether a source is a pattern, and no file of its name is there. */
export const hasPattern = (source: string): boolean => /[{*?]/.test(source) && !isThere(source);

/**
 * The files that a source names: itself, where there is one of its name; else those of its braces, whether they are there or
 * not, and those that `*` and `?` in its last part stand for.
 * @throws UserError where no file is of the pattern
 */
export async function expandPattern(source: string): Promise<readonly string[]> {
  if (!hasPattern(source)) return [source];
  const files: string[] = [];
  for (const name of expandBraces(source, source)) {
    if (!/[*?]/.test(name)) {
      files.push(name);
      continue;
    }
    const escaped = basename(name).replace(/[.+^$()|[\]\\{}]/g, '\\$&');
    const pattern = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
    const found = (await readdir(dirname(name)).catch(() => [])).filter((one) => pattern.test(one)).sort();
    for (const one of found) files.push(join(dirname(name), one));
  }
  if (files.length === 0 || !files.some(isThere)) {
    throw new UserError(`${source}: found no file of this pattern; expected at least one`);
  }
  return files;
}

/** `{a,b}` and `{000..099}`, as a shell has them; a number keeps the width of the first. */
function expandBraces(text: string, source: string): string[] {
  const found = /\{([^{}]*)\}/.exec(text);
  if (!found) return [text];
  const [whole, inside = ''] = found;
  const range = /^(\d{1,15})\.\.(\d{1,15})$/.exec(inside);
  const parts = range ? numbers(range[1]!, range[2]!, source) : inside.split(',');
  const names = parts.flatMap((part) =>
    expandBraces(
      text.replace(whole, () => part),
      source,
    ),
  );
  if (names.length > MAX_NAMES) throw tooMany(source);
  return names;
}

function numbers(first: string, last: string, source: string): string[] {
  const [from, to] = [Number(first), Number(last)];
  if (to - from >= MAX_NAMES) throw tooMany(source);
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) =>
    String(from + i).padStart(first.length, '0'),
  );
}

const tooMany = (source: string): UserError =>
  new UserError(`${source}: found a pattern of more than ${MAX_NAMES} names; expected fewer`);
