/** Files that are written whole or not at all, read in one line of complaint, and fingerprints that stay. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { Fingerprint, fingerprint, fingerprintOfPath, seedOf } from './fingerprint.ts';
import { readJson, readText } from './read.ts';
import { ResumableLines } from './resumable-lines.ts';
import { replaceWhole, writeFiles, writeWhole } from './write-whole.ts';

const folder = mkdtempSync(join(tmpdir(), 'files-'));
afterAll(() => rmSync(folder, { recursive: true }));

const complaint = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message.replaceAll(folder, 'FOLDER');
};

test('a write that fails leaves what was there, and nothing beside it', async () => {
  const own = join(folder, 'own');
  const file = join(own, 'a.txt');
  await writeWhole(file, 'old');
  const failing = replaceWhole(file, async (incomplete) => {
    writeFileSync(incomplete, 'half of the n');
    throw new Error('stopped');
  });
  await expect(failing).rejects.toThrow('stopped');
  expect(readFileSync(file, 'utf8')).toBe('old');
  await writeFiles(own, { 'a.txt': ['n', 'ew'], 'deeper/b.txt': new Uint8Array([98]) });
  expect(readFileSync(file, 'utf8')).toBe('new');
  expect(readdirSync(own)).toEqual(['a.txt', 'deeper']);
});

test('what cannot be written or read is one line that names the path', async () => {
  writeFileSync(join(folder, 'file'), 'text');
  expect(await complaint(writeWhole(join(folder, 'file', 'below'), ''))).toMatch(
    /^FOLDER\/file\/below: cannot be written: .* \((ENOTDIR|EEXIST)\); expected a place to write to$/,
  );
  expect(await complaint(readText(join(folder, 'absent'), 'a list'))).toBe(
    'FOLDER/absent: found no such file; expected a list',
  );
  expect(await complaint(readText(folder, 'a list'))).toBe('FOLDER: found a directory; expected a list');
  writeFileSync(join(folder, 'latin'), new Uint8Array([0x61, 0xe9]));
  expect(await complaint(readText(join(folder, 'latin'), 'a list'))).toBe(
    'FOLDER/latin: found bytes that are not UTF-8 text; expected a list',
  );
  writeFileSync(join(folder, 'broken.json'), '{\n "a": 1,\n}');
  expect(await complaint(readJson(join(folder, 'broken.json'), 'settings'))).toMatch(
    /^FOLDER\/broken\.json:3: not JSON \(.+\); expected settings$/,
  );
});

test.skipIf(process.platform === 'win32')('a pipe is written into, not replaced', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const [read] = await Promise.all([readText(pipe, 'text'), writeWhole(pipe, 'through')]);
  expect(read).toBe('through');
});

test('of several records with one key the last counts, and lines of another kind are dropped where any may be', async () => {
  const path = join(folder, 'new', 'lines.jsonl');
  const open = (resume: boolean) =>
    ResumableLines.open<{ key: string; value: number }>(path, {
      resume,
      keyOf: ({ key }) => key,
      keep: ({ value }) => value > 0,
    });
  const first = await open(false);
  await first.addAll([
    { key: 'a', value: 1 },
    { key: 'b', value: 0 },
    { key: 'a', value: 2 },
  ]);
  writeFileSync(path, `${readFileSync(path, 'utf8')}no record\n{"key":"c","val`);
  const second = await open(true);
  expect([second.get('a')?.value, second.get('b'), second.get('c')]).toEqual([2, undefined, undefined]);
  expect(readFileSync(path, 'utf8')).toBe('{"key":"a","value":2}\n');
});

test('records are rewritten in another order as they are read from the same file, and read by their places', async () => {
  const path = join(folder, 'rewritten.jsonl');
  // Longer than a block that is read at a time.
  const record = (key: number) => ({ key: String(key), text: 'ü'.repeat(200_000) });
  const lines = await ResumableLines.open<{ key: string; text: string }>(path, {
    resume: false,
    keyOf: ({ key }) => key,
    keep: () => true,
  });
  await lines.addAll([0, 1, 2, 3, 4, 5, 6].map(record));
  function* reversed() {
    for (const key of [6, 5, 4, 3, 2, 1]) yield lines.get(String(key))!;
  }
  await lines.finish(reversed());
  expect(readFileSync(path, 'utf8')).toBe(
    [6, 5, 4, 3, 2, 1].map((key) => `${JSON.stringify(record(key))}\n`).join(''),
  );
  expect([...lines.slice(2, 3)]).toEqual([4, 3, 2].map(record));
  expect([...lines.slice(5, 9)]).toEqual([record(1)]);
});

// By these, caches, checkpoints and results of earlier versions are recognised.
test('fingerprints are SHA-256, of texts, arrays, files and folders', async () => {
  expect(fingerprint('abc', 16)).toBe('ba7816bf8f01cfea');
  expect(seedOf('abc')).toBe(0xbf1678ba);
  writeFileSync(join(folder, 'abc'), 'abc');
  expect((await new Fingerprint().addFile(join(folder, 'abc'))).hex()).toBe(fingerprint('abc'));
  expect(new Fingerprint().add('a', new Uint8Array([98]), 'c').hex(16)).toBe(fingerprint('abc', 16));
  mkdirSync(join(folder, 'tree', 'sub'), { recursive: true });
  writeFileSync(join(folder, 'tree', 'sub', 'x.json'), '{}');
  writeFileSync(join(folder, 'tree', 'y.wav'), 'abc');
  expect(await fingerprintOfPath(join(folder, 'tree'), (file) => file.endsWith('.json'))).toBe(
    fingerprint('sub/x.json\n2\n{}y.wav\n3\n'),
  );
});
