import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { sameContent } from './same-content.ts';

const folder = mkdtempSync(join(tmpdir(), 'same-content-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** 20 kB that depend on the seed, with a change at a place. */
function file(name: string, seed: number, changedAt?: number): string {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => (i * i + seed) % 251);
  if (changedAt !== undefined) bytes[changedAt]! ^= 1;
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

test('files of the same bytes are found under any name; one byte anywhere makes another file', async () => {
  const a = file('a', 1);
  const b = file('b', 2);
  const copy = file('copy of a', 1);
  const link = join(folder, 'link to b');
  linkSync(b, link);
  const others = [0, 10_000, 19_999].map((place) => file(`a but ${place}`, 1, place));
  expect(await sameContent([a, b], [...others, copy, link])).toEqual(
    new Map([
      [a, copy],
      [b, link],
    ]),
  );
  expect(await sameContent([a], others)).toEqual(new Map());
  expect(await sameContent([a], [a])).toEqual(new Map([[a, a]]));
});

test('what is missing, empty, or no file is like nothing', async () => {
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(join(folder, 'empty too'), '');
  mkdirSync(join(folder, 'directory'));
  const named = (...names: string[]) => names.map((name) => join(folder, name));
  const found = await sameContent(
    named('empty', 'missing', 'directory'),
    named('empty too', 'missing', 'directory'),
  );
  expect([...found]).toEqual([]);
});

test('many files of one size are compared in linear time, and an abort ends it', async () => {
  const files = Array.from({ length: 60 }, (_, i) => file(`dev ${i}`, i));
  const others = Array.from({ length: 200 }, (_, i) => file(`train ${i}`, 70, i));
  const seen: number[] = [];
  await sameContent(files, others, { onProgress: (done) => seen.push(done) });
  expect(seen.at(-1)).toBe(260);
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(sameContent(files, others, { signal })).rejects.toThrow('stopped');
});
