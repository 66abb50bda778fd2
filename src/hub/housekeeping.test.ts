/** `hub verify` and `hub rm`: what is damaged, what is freed, and what is never touched. */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { lockFile } from '../files/lock.ts';
import { type FakeHub, type FakeRepo, gitHash, sha256, startFakeHub } from '../testing/fake-hub.ts';
import { download } from './download.ts';
import { listCache } from './list-cache.ts';
import { repoOf } from './names.ts';
import { planRemovals, remove } from './remove.ts';
import type { HubSettings } from './settings.ts';
import { verifyHubCache } from './verify-cache.ts';

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'housekeeping-'));
const [SHARED, OLD, NEW] = [Buffer.alloc(5000, 1), Buffer.alloc(3000, 2), Buffer.alloc(4000, 3)];
let hub: FakeHub;
let repo: FakeRepo;
let cache: string;
let folder: string;
let commits: [old: string, last: string];
let count = 0;

beforeAll(async () => {
  hub = await startFakeHub();
  repo = hub.addRepo('acme/m', { 'config.json': '{}', 'a.safetensors': SHARED, 'b.safetensors': OLD });
  hub.addRepo('acme/m', { 'config.json': '{}', 'a.safetensors': SHARED, 'b.safetensors': NEW });
  commits = [...repo.commits.keys()] as typeof commits;
});
afterAll(async () => {
  await hub.close();
  rmSync(scratch, { recursive: true, force: true });
});

const settings = (): HubSettings => ({
  ...{ endpoint: hub.url, cache, token: undefined, offline: false, timeout: 500, pause: 5 },
});
const fetchAll = (revision?: string) =>
  download(repoOf('acme/m', 'model'), { settings: settings(), revision });
const blob = (name: string): string => join(folder, 'blobs', name);

/** Two revisions, of which main's name takes 40 bytes, that share two of their three files. */
beforeEach(async () => {
  cache = join(scratch, String(++count));
  folder = join(cache, 'models--acme--m');
  await fetchAll(commits[0]);
  await fetchAll();
});

function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, 'hub', ...args, '--cache', cache], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

test('verify reads every blob, names the damaged and the missing with their files, and a fixed cache fetches them again', async () => {
  expect(await verifyHubCache(await listCache(cache))).toMatchObject({ blobs: 4, damaged: [], unchecked: 0 });
  writeFileSync(blob(sha256(SHARED)), Buffer.alloc(SHARED.length, 9));
  writeFileSync(blob(gitHash(Buffer.from('{}'))), '[]');
  rmSync(blob(sha256(NEW)));
  const { damaged } = await verifyHubCache(await listCache(cache));
  const found = new Map(damaged.map(({ expected, fault, files }) => [expected, { fault, files }]));
  const both = (path: string) => [...commits].sort().map((commit) => ({ commit, path }));
  const byCommit = (files: readonly { commit: string }[] = []) =>
    [...files].sort((a, b) => (a.commit < b.commit ? -1 : 1));
  expect([...found.keys()].sort()).toEqual([sha256(SHARED), gitHash(Buffer.from('{}')), sha256(NEW)].sort());
  expect(byCommit(found.get(sha256(SHARED))?.files)).toEqual(both('a.safetensors'));
  expect(found.get(sha256(NEW))).toEqual({
    ...{ fault: 'missing', files: [{ commit: commits[1], path: 'b.safetensors' }] },
  });
  const told = await cli('verify', 'acme/m', '--fix');
  expect(told.code, told.stderr).toBe(1);
  expect(told.stdout).toMatch(
    /acme\/m: a\.safetensors \(commit \w{7}\): found the hash \w{64}; expected \w{64}; removed\n/,
  );
  expect(told.stdout).toContain(
    `again: whisper-transfer hub download acme/m@${commits[0]} --files "a.safetensors" "config.json"`,
  );
  await fetchAll(commits[0]);
  await fetchAll();
  expect(await verifyHubCache(await listCache(cache))).toMatchObject({ blobs: 4, damaged: [] });
});

test('a revision goes with its names and with what no other revision uses; the last one takes the whole repository with it', async () => {
  const [removal] = await planRemovals(await listCache(cache), ['acme/m@main']);
  expect(removal).toMatchObject({ isWhole: false, bytes: NEW.length, blobs: [blob(sha256(NEW))] });
  await remove(removal!);
  expect(readdirSync(join(folder, 'snapshots'))).toEqual([commits[0]]);
  expect(existsSync(join(folder, 'refs/main'))).toBe(false);
  expect(existsSync(blob(sha256(NEW)))).toBe(false);
  expect(await verifyHubCache(await listCache(cache))).toMatchObject({ blobs: 3, damaged: [] });
  const last = await planRemovals(await listCache(cache), [`acme/m@${commits[0].slice(0, 7)}`]);
  expect(last[0]).toMatchObject({ isWhole: true, bytes: SHARED.length + OLD.length + 2 });
  await remove(last[0]!);
  expect(await listCache(cache)).toEqual([]);
});

test('two revisions in one command are one removal: what only they share goes, too', async () => {
  const targets = commits.map((commit) => `acme/m@${commit}`);
  expect(await planRemovals(await listCache(cache), targets)).toMatchObject([
    { isWhole: true, bytes: SHARED.length + OLD.length + NEW.length + 2 + 40 },
  ]);
});

test('rm never follows a link out of the cache, and lets nothing go while it is downloaded', async () => {
  const outside = join(scratch, 'outside');
  mkdirSync(outside, { recursive: true });
  writeFileSync(join(outside, 'precious'), 'x');
  // In a snapshot: the link goes, and what it leads to stays.
  symlinkSync(outside, join(folder, 'snapshots', commits[1], 'folder'));
  symlinkSync(join(outside, 'precious'), join(folder, 'snapshots', commits[1], 'file'));
  const [removal] = await planRemovals(await listCache(cache), [`acme/m@${commits[1]}`]);
  expect(removal).toMatchObject({ blobs: [blob(sha256(NEW))], bytes: NEW.length });
  const lock = join(cache, '.locks/models--acme--m', `${sha256(NEW)}.whisper-transfer`);
  const refused = join(scratch, 'refused.txt');
  await lockFile(lock, async () => {
    const { code, stderr } = await cli('rm', 'acme/m', '--yes');
    writeFileSync(refused, `${code} ${stderr}`);
  });
  expect(readFileSync(refused, 'utf8')).toMatch(/^2 [\s\S]*error: .*process/);
  await remove(removal!);
  expect(readFileSync(join(outside, 'precious'), 'utf8')).toBe('x');
  // Of the cache itself: refused.
  renameSync(folder, join(scratch, 'moved'));
  symlinkSync(join(scratch, 'moved'), folder);
  await expect(planRemovals(await listCache(cache), ['acme/m'])).rejects.toThrow(
    /models--acme--m.*: found a link; expected a folder of the cache/,
  );
  expect(existsSync(join(scratch, 'moved/blobs', sha256(SHARED)))).toBe(true);
});

test('rm says what it frees, asks nobody without --yes, and refuses what is not there in one line', async () => {
  const asked = await cli('rm', 'acme/m@main');
  expect(asked.code).toBe(2);
  expect(asked.stderr).toMatch(
    /acme\/m@\w{7} \(main\): 4 kB\nerror: hub rm: found nobody to ask; expected --yes, or --dry-run\n$/,
  );
  expect((await cli('rm', 'acme/m@main', '--dry-run')).stdout).toBe('4 kB would be freed\n');
  expect(await listCache(cache)).toMatchObject([{ revisions: [{}, {}] }]);
  expect((await cli('rm', 'acme/m@main', '--yes')).stdout).toBe('4 kB freed\n');
  await expect(planRemovals(await listCache(cache), ['acme/m@v3'])).rejects.toThrow(
    `acme/m@v3: found no such revision in the cache; expected one of ${commits[0].slice(0, 7)}`,
  );
  await expect(planRemovals(await listCache(cache), ['acme/other'])).rejects.toThrow(
    'acme/other: found no such repository in the cache; expected one of acme/m',
  );
});
