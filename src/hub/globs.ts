/**
 * Patterns of paths, as `hf download --include` has them (Python's fnmatch): `*` also passes over `/`. Beside them `{a,b}`, as
 * shells have it.
 */
import { UserError } from '../errors.ts';

/** The test of a list of patterns; of none, every path passes. A pattern that ends in `/` means all below. */
export function globTest(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => true;
  const tests = patterns
    .flatMap(alternatives)
    .map((pattern) => regexOf(pattern.endsWith('/') ? `${pattern}*` : pattern));
  return (path) => tests.some((test) => test.test(path));
}

function regexOf(pattern: string): RegExp {
  // A run of stars is one: more would only take time.
  const source = pattern.replace(/\*+|\?|\[!?[^\]/]+\]|[\s\S]/g, (part) => {
    if (part.startsWith('*')) return '[\\s\\S]*';
    if (part === '?') return '[\\s\\S]';
    if (part.length > 2 && part.startsWith('[')) {
      const negated = part[1] === '!';
      return `[${negated ? '^' : ''}${part.slice(negated ? 2 : 1, -1).replace(/[\\^[\]]/g, '\\$&')}]`;
    }
    return part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  });
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw new UserError(`files: found the pattern "${pattern}"; expected a path with *, ? or [a-z]`);
  }
}

/** `data/{en,de}.tsv` as `data/en.tsv` and `data/de.tsv`. */
function alternatives(pattern: string): string[] {
  const [whole, names] = /\{([^{}]+)\}/.exec(pattern) ?? [];
  if (whole === undefined || names === undefined) return [pattern];
  return names.split(',').flatMap((name) => alternatives(pattern.replace(whole, () => name)));
}
