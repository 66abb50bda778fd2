/** Full disks and folders that may only be read, as the system has them: mounted in a namespace of their own. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeTinyModel } from '../testing/tiny-model.ts';

const repository = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'disks-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Runs a shell script that may mount; `cli` in it is the command line. */
function inNamespace(script: string) {
  const cli = `cli() { "${process.execPath}" "${repository('dist/cli/main.js')}" "$@"; }`;
  const shell = ['-rm', 'sh', '-c', `${cli}\n${script}`];
  const { status, stdout, stderr } = spawnSync('unshare', shell, { cwd: scratch, encoding: 'utf8' });
  return { status, stdout, stderr };
}

mkdirSync(join(scratch, 'disk'));
const mounts = inNamespace('mount -t tmpfs -o size=64k t disk').status === 0;

beforeAll(async () => {
  await writeTinyModel(join(scratch, 'tiny'));
  const rows = ['maze', 'algebra_by'].map(
    (key) => `${repository(`samples/gcompris/en/${key}.opus`)}\ten\t${key}\t迷宫`,
  );
  const header = 'audio\tlang\tkey\ttext_zh\n';
  writeFileSync(join(scratch, 'one.tsv'), `${header}${rows[0]}\n`);
  writeFileSync(join(scratch, 'two.tsv'), `${header}${rows.join('\n')}\n`);
});

test.skipIf(!mounts)(
  'a cache that may only be read is read, and what it lacks is one line (needs unshare)',
  () => {
    const encoding = 'encode one.tsv --model tiny --cache cache';
    const { status, stdout, stderr } = inNamespace(`
    cli ${encoding} > /dev/null 2>&1
    mount --bind cache cache && mount -o remount,bind,ro cache
    cli ${encoding} && cli train two.tsv --from en --to zh --model tiny --cache cache --steps 1 --output trained
    cli encode two.tsv --model tiny --cache cache`);
    const lines = stderr.split('\n').filter((line) => line.includes('cannot be written'));
    const refusal = expect.stringMatching(
      /^cache\/\w+-fit-3: cannot be written: the file system is read-only \(EROFS\)/,
    );
    expect(stdout).toContain('1 clips, 240 frames, kept in cache');
    expect(lines.map((line) => line.replace(/^(note|error): /, ''))).toEqual([refusal, refusal]);
    expect(lines.map((line) => line.split(':')[0])).toEqual(['note', 'error']);
    expect(lines[0]).toMatch(/; what it lacks is encoded for this run alone$/);
    expect(status).toBe(2);
  },
);

test.skipIf(!mounts)(
  'encode looks for room before it begins, also where workers would do it (needs unshare)',
  () => {
    const encoding = 'cli encode two.tsv --model tiny --cache disk/cache';
    const { status, stderr } = inNamespace(`
    mount -t tmpfs -o size=12k t disk
    ${encoding}; test $? = 2 && rm -r disk/* || exit 1
    ${encoding} --redis ${join(scratch, 'none.sock')}`);
    const room = expect.stringMatching(
      /^error: disk\/cache: the encoder outputs of 2 clips take 0\.\d+ GB and the disk has 0\.000 GB; expected room/,
    );
    expect(stderr.split('\n').filter((line) => /^(error|note)/.test(line))).toEqual([room, room]);
    expect(status).toBe(2);
  },
);

test.skipIf(!mounts)(
  'a full disk ends a command in one line, and with room it continues (needs unshare)',
  () => {
    const full = ': cannot be written: the disk is full (ENOSPC); expected a place to write to\n';
    const { status, stderr } = inNamespace(`
    mount -t tmpfs -o size=1m t disk
    cli quantize tiny disk/int8; test $? = 2 || exit 1
    test -z "$(ls -A disk)" || exit 2
    mount -o remount,size=16k disk
    cli transcribe two.tsv two.tsv --model tiny --max-tokens 100 --results disk/results.jsonl > /dev/null 2> lines
    test $? = 2 && grep error lines >&2; cp disk/results.jsonl before
    mount -o remount,size=8m disk
    cli transcribe two.tsv two.tsv --model tiny --max-tokens 100 --results disk/results.jsonl --resume > /dev/null 2>&1 || exit 3
    cp disk/results.jsonl after
    cli quantize tiny disk/int8 > /dev/null 2>&1`);
    expect(stderr.replace(/^quantising.*\n/gm, '')).toBe(
      `error: disk/int8${full}error: disk/results.jsonl${full}`,
    );
    expect(status).toBe(0);
    const [before, after] = ['before', 'after'].map((name) => readFileSync(join(scratch, name), 'utf8'));
    const kept = before!.split('\n').slice(0, -1);
    expect(after!.split('\n').slice(0, kept.length)).toEqual(kept);
  },
);
