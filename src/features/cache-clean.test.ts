/** The cache as a whole: its index in memory, several processes that fill it, its verification, what is dropped. */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { afterAll, expect, test } from 'vitest';
import { archives, gunzipped } from '../audio/gunzipped.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { pruneCache, verifyCache } from './cache-clean.ts';
import { cachedStores } from './cached-shards.ts';
import { RecordIndex } from './record-index.ts';
import { Shards } from './shards.ts';

const scratch = mkdtempSync(join(tmpdir(), 'cache-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const key = (i: number): string => fingerprint(`key ${i}`, 32);
const record = (i: number) => ({
  key: key(i),
  about: Uint8Array.of(i & 255, i >> 8),
  payload: new Uint8Array(500).fill(i),
});
const shardsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.shard'))
    .sort()
    .map((name) => join(folder, name));
/** As if the process that wrote a shard had ended. @returns its new path */
function ended(shard: string, number = 999_999_999): string {
  const path = shard.replace(`-${process.pid}-`, `-${number}-`);
  renameSync(shard, path);
  renameSync(shard.replace(/shard$/, 'index'), path.replace(/shard$/, 'index'));
  return path;
}
async function filled(folder: string, from: number, count: number): Promise<string> {
  await (await Shards.open(folder)).add(Array.from({ length: count }, (_, i) => record(from + i)));
  return ended(shardsIn(folder).find((path) => path.includes(`-${process.pid}-`))!);
}

test('an index answers as a map does, whatever is added, replaced and removed', () => {
  const index = new RecordIndex();
  const map = new Map<string, number>();
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  // Keys that lie close together, at both ends of the table: they collide.
  const high = (i: number): number => (i % 2 === 0 ? i : 0xffff_ffff - i);
  for (let step = 0; step < 20_000; step++) {
    const i = random(2000);
    if (random(4) === 0) {
      index.remove(high(i), i);
      map.delete(String(i));
    } else {
      const about = new Uint8Array(random(24) + 1).fill(1 + (step % 255));
      const payload = step < 5000 ? 0 : random(3);
      index.add(high(i), i, about, { shard: step % 70_000, place: step, bytes: payload, crc: step });
      map.set(String(i), step);
    }
    const looked = random(2000);
    const expected = map.get(String(looked));
    const found = index.about(high(looked), looked, 24);
    expect(found?.[0]).toBe(expected === undefined ? undefined : 1 + (expected % 255));
    if (expected !== undefined && expected >= 5000 && index.payload(high(looked), looked)!.bytes > 0) {
      expect(index.payload(high(looked), looked)).toMatchObject({ place: expected, crc: expected });
    }
    expect(index.size).toBe(map.size);
  }
});

test('the index of a million encoder outputs takes less than 45 MB, of their contents less than 35: together below 100', async () => {
  const count = 100_000;
  for (const [name, bytes, about, payload] of [
    ['outputs', 45, Uint8Array.of(1, 1, 0, 0, 1, 1, 0, 0, 0, 2), new Uint8Array(8)],
    ['contents', 35, new Uint8Array(16).fill(7), undefined],
  ] as const) {
    const folder = join(scratch, name);
    const shards = await Shards.open(folder);
    for (let start = 0; start < count; start += 10_000) {
      await shards.add(Array.from({ length: 10_000 }, (_, i) => ({ key: key(start + i), about, payload })));
    }
    const opened = await Shards.open(folder);
    expect(opened.size).toBe(count);
    expect(opened.indexBytes / count).toBeLessThan(bytes);
    expect([...opened.about(key(99_999))!.subarray(0, about.length)]).toEqual([...about]);
  }
});

const program = (folder: string, from: number, step: number): string => `
import { Shards } from ${JSON.stringify(pathToFileURL(join('dist', 'features', 'shards.js')).href)};
import { fingerprint } from ${JSON.stringify(pathToFileURL(join('dist', 'files', 'fingerprint.js')).href)};
const shards = await Shards.open(${JSON.stringify(folder)});
console.log('ready');
await new Promise((resolve) => process.stdin.once('data', resolve));
let written = 0;
for (let n = 0, i = ${from}; n < 300; n++, i += ${step}) {
  await shards.refresh();
  const key = fingerprint('key ' + i, 32);
  if (shards.about(key)) continue;
  await shards.add([{ key, about: Uint8Array.of(i & 255, i >> 8), payload: new Uint8Array(500).fill(i) }]);
  written++;
  // A clip takes longer to encode than to store.
  await new Promise((resolve) => setTimeout(resolve, 2));
}
console.log(JSON.stringify({ written }));
process.exit();
`;

test('two processes fill one cache at once: each finds what the other wrote, and all of it is whole', async () => {
  const folder = join(scratch, 'two');
  mkdirSync(folder);
  const children = [program(folder, 0, 1), program(folder, 299, -1)].map((text) =>
    spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const outputs = children.map(() => '');
  children.forEach((child, i) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      outputs[i] += text;
      if (outputs.every((one) => one.startsWith('ready')))
        for (const one of children) one.stdin.write('go\n');
    });
  });
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))));
  const written = outputs.map((one) => (JSON.parse(one.split('\n')[1]!) as { written: number }).written);
  // Only where they met may both have encoded the same clip.
  expect(written[0]! + written[1]!).toBeGreaterThanOrEqual(300);
  expect(written[0]! + written[1]!).toBeLessThan(310);
  expect(shardsIn(folder)).toHaveLength(2);
  const shards = await Shards.open(folder);
  expect(shards.size).toBe(300);
  for (let i = 0; i < 300; i++) expect((await shards.read(key(i)))!.payload[0]).toBe(i & 255);
});

test('verify counts damaged records and what a killed process had begun; --fix drops them, and the others stay whole', async () => {
  const cache = join(scratch, 'verified');
  const folder = join(cache, 'abc-fit-3');
  const first = await filled(folder, 0, 10);
  await filled(folder, 10, 10);
  const living = await Shards.open(folder);
  await living.add([record(20), record(21)]);
  const own = shardsIn(folder).find((path) => path.includes(`-${process.pid}-`))!;
  expect(await verifyCache(cache)).toMatchObject({ shards: 3, records: 22, damaged: 0, unfinished: 0 });
  for (const path of [first, own]) {
    const bytes = readFileSync(path);
    bytes[64 + 100]! ^= 1;
    writeFileSync(path, bytes);
  }
  appendFileSync(first, new Uint8Array(300));
  expect(await verifyCache(cache)).toMatchObject({ records: 22, damaged: 2, unfinished: 300, dropped: 0 });
  const fixed = await verifyCache(cache, { fix: true });
  // The shard of this process, which lives, is left to it.
  expect(fixed).toMatchObject({ damaged: 2, dropped: 1, skipped: [own] });
  expect(await verifyCache(cache)).toMatchObject({ records: 21, damaged: 1, unfinished: 0 });
  const shards = await Shards.open(folder);
  expect(shards.about(key(0))).toBeUndefined();
  for (let i = 1; i < 20; i++) expect((await shards.read(key(i)))!.payload[0]).toBe(i);
  // Who had it open finds the others or encodes them again, and never another's.
  for (let i = 0; i < 20; i++) expect([undefined, i]).toContain((await living.read(key(i)))?.payload[0]);
});

test('prune drops the least recently used, by age, size and encoder, and never what a living process writes or knows of recordings', async () => {
  const cache = join(scratch, 'pruned');
  const shards = [
    await filled(join(cache, 'aaaa-fit-3'), 0, 10),
    await filled(join(cache, 'aaaa-fit-3-int8'), 10, 10),
    await filled(join(cache, 'bbbb-full-3'), 20, 10),
  ];
  const memo = await filled(join(cache, 'recordings', 'contents'), 30, 10);
  const used = (path: string, days: number): void => {
    const time = new Date(Date.now() - days * 86_400_000);
    for (const file of [path, path.replace(/shard$/, 'index')]) utimesSync(file, time, time);
  };
  [90, 10, 50].forEach((days, i) => used(shards[i]!, days));
  used(memo, 365);
  const living = await Shards.open(join(cache, 'bbbb-full-3'));
  await living.add([record(50)]);
  const own = shardsIn(join(cache, 'bbbb-full-3')).find((path) => path.includes(`-${process.pid}-`))!;
  used(own, 400);

  const stores = await cachedStores(cache);
  expect(stores.map(({ store, dtype, window, clips }) => [store, dtype, window, clips]).sort()).toEqual([
    ['aaaa-fit-3', 'float16', 'fit', 10],
    ['aaaa-fit-3-int8', 'int8', 'fit', 10],
    ['bbbb-full-3', 'float16', 'full', 11],
    ['recordings/contents', '', '', 10],
  ]);
  const left = (): number[] =>
    shards.flatMap((path, i) => (statSync(path, { throwIfNoEntry: false }) ? [i] : []));
  const unusedSince = Date.now() - 60 * 86_400_000;
  expect(await pruneCache(cache, { unusedSince, dryRun: true })).toMatchObject({ shards: 1, inUse: 1 });
  expect(left()).toEqual([0, 1, 2]);
  expect(await pruneCache(cache, { unusedSince })).toMatchObject({ shards: 1, inUse: 1 });
  expect(left()).toEqual([1, 2]);
  // Reading is a use.
  const reader = await Shards.open(join(cache, 'bbbb-full-3'));
  await reader.read(key(20));
  await expect
    .poll(() => statSync(shards[2]!.replace(/shard$/, 'index')).mtimeMs)
    .toBeGreaterThan(Date.now() - 60_000);
  const total = (await verifyCache(cache)).bytes;
  expect(await pruneCache(cache, { maxBytes: total - 1 })).toMatchObject({ shards: 1 });
  expect(left()).toEqual([2]);
  expect(await pruneCache(cache, { encoder: 'bbbb' })).toMatchObject({ shards: 1, inUse: 1 });
  expect(left()).toEqual([]);
  expect(statSync(memo).size).toBeGreaterThan(0);
  expect(await living.read(key(50))).toBeDefined();
});

test('decompressed archives are listed and pruned by the same rules; a use of one is noted, and its index stays', async () => {
  const cache = join(scratch, 'with-archives');
  mkdirSync(join(cache, 'archives'), { recursive: true });
  await filled(join(cache, 'aaaa-fit-3'), 0, 10);
  const packed = join(scratch, 'talks.tar.gz');
  writeFileSync(
    packed,
    gzipSync(await packTar([{ header: { name: 'a.txt', size: 900 }, body: new Uint8Array(900) }])),
  );
  archives.folder = join(cache, 'archives');
  const notes: string[] = [];
  archives.onNote = (note) => notes.push(note);
  const tar = await gunzipped(packed);
  expect(notes.at(-1)).toMatch(/talks\.tar\.gz: 3 kB in .*\.tar$/);
  const days = (count: number): Date => new Date(Date.now() - count * 86_400_000);
  utimesSync(tar, days(40), days(40));
  const leftover = join(cache, 'archives/old.tar.1.incomplete');
  writeFileSync(leftover, 'x');
  utimesSync(leftover, days(50), days(50));
  writeFileSync(join(cache, 'archives/new.tar.2.incomplete'), 'being written');
  const listed = await cachedStores(cache);
  expect(listed.map(({ store, bytes }) => [store, bytes]).slice(1)).toEqual([
    [`archives/${basename(tar)}`, statSync(tar).size],
    ['archives/old.tar.1.incomplete', 1],
  ]);
  const unusedSince = days(30).getTime();
  expect(await pruneCache(cache, { unusedSince, dryRun: true })).toMatchObject({ archives: 2, shards: 0 });
  const written = statSync(tar).mtimeMs;
  expect(await gunzipped(packed)).toBe(tar);
  expect(statSync(tar).mtimeMs).toBe(written);
  expect(await pruneCache(cache, { encoder: 'aaaa', unusedSince })).toMatchObject({ archives: 0 });
  expect(await pruneCache(cache, { unusedSince })).toMatchObject({ archives: 1, shards: 0, bytes: 1 });
  expect(await pruneCache(cache, { maxBytes: 0 })).toMatchObject({ archives: 1, shards: 1 });
  expect(readdirSync(join(cache, 'archives'))).toEqual(['new.tar.2.incomplete']);
});
