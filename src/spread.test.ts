/**
 * No list whose length depends on the data is spread into arguments: JavaScript's stack ends at about 125,000 of them, and a
 * corpus has more rows. `for (const one of list) all.push(one)`, and `largest` and `smallest` of extremes.ts, have no such end.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { largest, smallest } from './extremes.ts';

const SOURCES = fileURLToPath(new URL('.', import.meta.url));

/** Functions that take any number of arguments, as they are called. */
const VARIADIC =
  /(?:\.(?:push|unshift|splice|concat|add|update|of|log)|Math\.(?:max|min|hypot)|String\.from\w+|join|resolve)$/;

/**
 * Spreads into the arguments of such functions. A list that cannot grow with the data may be spread where the line, or the
 * one above it, says why: `// few: flags of a command`. Slices of a fixed length need no reason.
 */
function spreads(text: string): string[] {
  const lines = text.split('\n');
  const found: string[] = [];
  for (const { index } of text.matchAll(/\.\.\.|\.apply\(/g)) {
    const number = text.slice(0, index).split('\n').length;
    const line = lines[number - 1]!;
    const isComment = /^\s*(\/\/|\*|\/\*)/.test(line);
    const hasReason = [line, lines[number - 2] ?? ''].some((one) => one.includes('// few: '));
    if (isComment || hasReason) continue;
    if (text.startsWith('.apply(', index)) {
      if (/(?:Math\.\w+|push|fromCharCode)$/.test(text.slice(0, index)))
        found.push(`${number}: ${line.trim()}`);
      continue;
    }
    const call = text.slice(0, openingBefore(text, index));
    const isSlice = /^\.\.\.[\w.]+\.subarray\([^()]*\)/.test(text.slice(index));
    if (VARIADIC.test(call) && !isSlice) found.push(`${number}: ${line.trim()}`);
  }
  return found;
}

/** Place of the parenthesis whose arguments a place is among; 0 where it is in a list or an object instead. */
function openingBefore(text: string, place: number): number {
  let depth = 0;
  for (let i = place - 1; i >= 0; i--) {
    const character = text[i]!;
    if (')]}'.includes(character)) depth++;
    else if ('([{'.includes(character) && depth-- === 0) return character === '(' ? i : 0;
  }
  return 0;
}

test('no source spreads a list of any length into arguments', () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !/^testing[\\/]/.test(file),
  );
  const found = files.flatMap((file) =>
    spreads(readFileSync(join(SOURCES, file), 'utf8')).map((where) => `${file}:${where}`),
  );
  expect(found).toEqual([]);
});

test.each([
  ['all.push(...list);', 1],
  ['const most = Math.max(\n  0,\n  ...list.map((one) => one.length),\n);', 1],
  ['Math.max.apply(null, list);', 1],
  ['all.push(...list); // few: two ears', 0],
  ['all.push([...list], { ...one });', 0],
  ['const name = String.fromCharCode(...bytes.subarray(0, 4));', 0],
  ['filter.apply(text, found);', 0],
])('%j has %i', (text, count) => {
  expect(spreads(text)).toHaveLength(count);
});

test('the largest and the smallest of a million values', () => {
  const values = Array.from({ length: 1_000_000 }, (_, i) => (i * 7919) % 1_000_003);
  expect([largest(values, Number), smallest(values, Number)]).toEqual([1_000_002, 0]);
  expect([largest([], Number), smallest([], Number)]).toEqual([
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ]);
});
