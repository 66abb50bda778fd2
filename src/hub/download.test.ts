/** Downloads from a hub that breaks off, stalls, corrupts, redirects and refuses. */
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FAKE_TOKEN, type FakeHub, gitHash, sha256, startFakeHub } from '../testing/fake-hub.ts';
import { delayOf } from './client.ts';
import { download } from './download.ts';
import { listCache } from './list-cache.ts';
import { type Repo, repoOf } from './names.ts';
import type { HubSettings } from './settings.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hub-'));
const LARGE = randomBytes(1_000_000);
const FILES = {
  'config.json': '{"model_type":"whisper"}\n',
  'model.safetensors': LARGE,
  'data/en_us/train.tsv': '1\thello\n',
};
let hub: FakeHub;
let cache: string;
let count = 0;

beforeAll(async () => {
  hub = await startFakeHub();
});
afterAll(async () => {
  await hub.close();
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(() => {
  hub.faults.length = 0;
  hub.requests.length = 0;
  hub.pageSize = 1000;
  cache = join(scratch, String(++count));
});

const settings = (changed: Partial<HubSettings> = {}): HubSettings => ({
  ...{ endpoint: hub.url, cache, token: undefined, offline: false, timeout: 500, pause: 50 },
  ...changed,
});

/** A repository of its own with FILES. */
function newRepo(files: Record<string, string | Buffer> = FILES): Repo {
  hub.addRepo(`acme/r${count}`, files);
  return repoOf(`acme/r${count}`, 'model');
}

const folderOf = (repo: Repo) => join(cache, `models--${repo.id.replace('/', '--')}`);
const fromCdn = () => hub.requests.filter(({ on }) => on === 'cdn');

test('a download has the layout of the Python cache: blobs by hash, relative links, the ref without an end of line', async () => {
  const repo = newRepo();
  const { folder, commit, fetched } = await download(repo, { settings: settings() });
  expect(commit).toBe(hub.head(hub.repo(repo.id)!));
  expect(fetched).toBe(LARGE.length + FILES['config.json'].length + FILES['data/en_us/train.tsv'].length);
  expect(readFileSync(join(folderOf(repo), 'refs/main'), 'utf8')).toBe(commit);
  expect(folder).toBe(join(folderOf(repo), 'snapshots', commit));
  expect(readlinkSync(join(folder, 'model.safetensors'))).toBe(`../../blobs/${sha256(LARGE)}`);
  expect(readlinkSync(join(folder, 'data/en_us/train.tsv'))).toBe(
    `../../../../blobs/${gitHash(Buffer.from(FILES['data/en_us/train.tsv']))}`,
  );
  for (const [path, content] of Object.entries(FILES))
    expect(readFileSync(join(folder, path)).equals(Buffer.from(content))).toBe(true);
  expect(readdirSync(join(folderOf(repo), 'blobs')).sort()).toEqual(
    [
      sha256(LARGE),
      gitHash(Buffer.from(FILES['config.json'])),
      gitHash(Buffer.from(FILES['data/en_us/train.tsv'])),
    ].sort(),
  );

  hub.requests.length = 0;
  expect((await download(repo, { settings: settings() })).fetched).toBe(0);
  expect(hub.requests.map(({ path }) => path.split('/')[4])).toEqual(
    [`r${count}`, `r${count}`].map(() => expect.any(String)),
  );
  expect(hub.requests.some(({ path }) => path.includes('/resolve/'))).toBe(false);
  expect(await listCache(cache)).toMatchObject([
    {
      repo,
      bytes: fetched,
      incompleteBytes: 0,
      revisions: [{ commit, refs: ['main'], files: 3, bytes: fetched }],
    },
  ]);
});

test('patterns choose files as `hf download --include` does; one that none has is an error with the names', async () => {
  const repo = newRepo();
  const { files, folder } = await download(repo, { settings: settings(), files: ['data/en_us/', '*.json'] });
  expect(files!.map(({ path }) => path)).toEqual(['config.json', 'data/en_us/train.tsv']);
  expect(existsSync(join(folder, 'model.safetensors'))).toBe(false);
  await expect(download(repo, { settings: settings(), files: ['*.wav'] })).rejects.toThrow(
    `${repo.id}: found no file like *.wav; it has config.json, data/en_us/train.tsv, model.safetensors`,
  );
});

test('a list of files in pages is read whole', async () => {
  const repo = newRepo(Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`f${i}.txt`, `${i}`])));
  hub.pageSize = 10;
  const { files } = await download(repo, { settings: settings() });
  expect(files).toHaveLength(25);
});

test('a broken download goes on by range, from a newly signed address', async () => {
  const repo = newRepo();
  hub.faults.push({ match: /xet-bridge/, cutAfter: 400_000 }, { match: /xet-bridge/, stallAfter: 200_000 });
  const { folder } = await download(repo, { settings: settings() });
  expect(readFileSync(join(folder, 'model.safetensors')).equals(LARGE)).toBe(true);
  expect(fromCdn()).toHaveLength(3);
  expect(fromCdn()[0]!.range).toBeUndefined();
  const from = fromCdn()
    .slice(1)
    .map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range!)![1]));
  expect(from[0]).toBeGreaterThan(0);
  expect(from[1]).toBeGreaterThan(from[0]!);
});

test.each([
  ['wholeOnly', 'ignores the range'],
  ['noRange', 'has no such range'],
] as const)('%s: a server that %s gives the whole again', async (fault, _what) => {
  const repo = newRepo();
  hub.faults.push({ match: /xet-bridge/, cutAfter: 400_000 }, { match: /xet-bridge/, [fault]: true });
  const { folder } = await download(repo, { settings: settings() });
  expect(readFileSync(join(folder, 'model.safetensors')).equals(LARGE)).toBe(true);
});

test('damaged content is fetched once more, then refused, and never gets its name', async () => {
  const repo = newRepo();
  const notes: string[] = [];
  hub.faults.push({ match: /xet-bridge/, corrupt: true });
  const { folder } = await download(repo, { settings: settings(), onNote: (note) => notes.push(note) });
  expect(readFileSync(join(folder, 'model.safetensors')).equals(LARGE)).toBe(true);
  expect(notes).toEqual([`${repo.id}: model.safetensors: came damaged; fetching it once more`]);

  rmSync(cache, { recursive: true });
  hub.faults.push({ match: /xet-bridge/, corrupt: true, times: 2 });
  await expect(download(repo, { settings: settings() })).rejects.toThrow(
    new RegExp(
      `model.safetensors: found content with the SHA-256 [0-9a-f]{64}, twice; expected ${sha256(LARGE)}: not kept`,
    ),
  );
  rmSync(cache, { recursive: true, force: true });
  hub.faults.push({ match: /resolve-cache.*config.json/, corrupt: true, times: 2 });
  await expect(download(repo, { settings: settings(), files: ['config.json'] })).rejects.toThrow(
    'found content with the git hash',
  );
  expect(readdirSync(join(folderOf(repo), 'blobs')).filter((name) => name === sha256(LARGE))).toEqual([]);
});

test('the token goes to the hub and to no other host', async () => {
  const repo = newRepo();
  hub.repo(repo.id)!.isPrivate = true;
  hub.faults.push({ match: /resolve\/.*config.json/, location: `${hub.cdnUrl}/elsewhere` });
  await expect(
    download(repo, { settings: settings({ token: FAKE_TOKEN }), files: ['config.json'] }),
  ).rejects.toThrow('no such repository');
  await download(repo, { settings: settings({ token: FAKE_TOKEN }) });
  expect(fromCdn().map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
  expect(
    hub.requests.some(({ on, authorization }) => on === 'hub' && authorization === `Bearer ${FAKE_TOKEN}`),
  ).toBe(true);
});

test('limits are waited for as long as the hub says; others with growing pauses; a long one is said', async () => {
  const repo = newRepo();
  hub.faults.push(
    { match: /revision/, status: 429, retryAfter: 1 },
    { match: /tree/, status: 503, retryAfter: 0 },
  );
  const started = performance.now();
  await download(repo, { settings: settings(), files: ['config.json'] });
  expect(performance.now() - started).toBeGreaterThan(950);
  hub.faults.push({ match: /revision/, status: 429, headers: { ratelimit: '"api";r=0;t=3600' } });
  await expect(download(repo, { settings: settings() })).rejects.toThrow(/limits requests \(429\).*HF_TOKEN/);
  expect(
    delayOf(
      new Headers({ 'retry-after': 'Sat, 28 Nov 2026 10:00:07 GMT' }),
      Date.parse('2026-11-28T10:00:00Z'),
    ),
  ).toBe(7);
});

test('refusals say what helps', async () => {
  const repo = newRepo();
  const get = (id: string, changed: Partial<HubSettings> = {}, revision?: string) =>
    download(repoOf(id, 'model'), { settings: settings(changed), revision });
  await expect(get('acme/none')).rejects.toThrow(
    'acme/none: the hub has no such repository, or it is private; no token was sent: set HF_TOKEN',
  );
  await expect(get('acme/none', { token: FAKE_TOKEN })).rejects.toThrow(
    'or it is private and your token does not open it',
  );
  await expect(get(repo.id, { token: 'hf_wrong' })).rejects.toThrow(
    'does not take your token: Invalid credentials',
  );
  await expect(get(repo.id, {}, 'v9')).rejects.toThrow(`${repo.id}@v9: the hub has no such revision`);
  hub.repo(repo.id)!.isGated = true;
  await expect(get(repo.id)).rejects.toThrow(
    `agree at ${hub.url}/${repo.id}, and give a token of that account (HF_TOKEN)`,
  );
  await expect(get(repo.id, { endpoint: 'http://127.0.0.1:9' })).rejects.toThrow(
    '127.0.0.1:9 cannot be reached',
  );
  await expect(get(repo.id, {}, '../../x')).rejects.toThrow('revision: found "../../x"; expected a branch');
  for (const id of ['../x', 'a/b/c', '-a/b', 'a/b.git', 'a//b', 'a/b--c', 'a\u0000/b', ''])
    expect(() => repoOf(id, 'model')).toThrow('expected a model of the hub, owner/name');
});

test('names that lead out of the folder, and hashes that are none, are refused before anything is written', async () => {
  const repo = newRepo();
  const bytes = { type: 'file', size: 1, oid: gitHash(Buffer.from('x')) };
  for (const path of ['../x', '/etc/x', 'a\\..\\x', 'a/../../x', 'x\u0000', 'C:x', '.', 'a//b', 7]) {
    hub.repo(repo.id)!.extraEntries.splice(0, 1, { ...bytes, path });
    await expect(download(repo, { settings: settings() })).rejects.toThrow(
      /found a file named .* outside of its folder/,
    );
  }
  for (const entry of [{ oid: '../../x' }, { size: -1 }, { lfs: { oid: 'x', size: 1 } }]) {
    hub.repo(repo.id)!.extraEntries.splice(0, 1, { ...bytes, path: 'x', ...entry });
    await expect(download(repo, { settings: settings() })).rejects.toThrow('expected a hash and a size');
  }
  hub.repo(repo.id)!.extraEntries.length = 0;
  for (const json of [{ sha: '../../../x' }, [], null]) {
    hub.faults.push({ match: /revision/, json });
    await expect(download(repo, { settings: settings() })).rejects.toThrow(
      'for the commit; expected 40 hexadecimal digits',
    );
  }
  const circle = `${hub.url}/api/models/${repo.id}/tree/${hub.head(hub.repo(repo.id)!)}?recursive=true`;
  hub.faults.push({ match: /tree/, json: [], headers: { link: `<${circle}>; rel="next"` } });
  await expect(download(repo, { settings: settings() })).rejects.toThrow('goes round in a circle');
  hub.faults.push({ match: /resolve\//, location: '/a/resolve/main/b', times: 30 });
  await expect(download(repo, { settings: settings() })).rejects.toThrow('10 redirects in a row');
  hub.faults.length = 0;
  hub.faults.push({ match: /resolve\//, location: 'file:///etc/passwd', times: 30 });
  await expect(download(repo, { settings: settings() })).rejects.toThrow(
    'found a redirect to file:///etc/passwd; expected https',
  );
  expect(existsSync(join(cache, 'x'))).toBe(false);
});

test('offline, and where the hub cannot be reached, the cache answers', async () => {
  const repo = newRepo();
  await expect(download(repo, { settings: settings({ offline: true }) })).rejects.toThrow(
    `${repo.id}: found nothing in the cache (${folderOf(repo)}), and HF_HUB_OFFLINE is set`,
  );
  const { commit, folder } = await download(repo, { settings: settings() });
  hub.requests.length = 0;
  expect(await download(repo, { settings: settings({ offline: true }) })).toMatchObject({
    commit,
    folder,
    files: undefined,
  });
  expect(hub.requests).toEqual([]);
  const notes: string[] = [];
  const away = settings({ endpoint: 'http://127.0.0.1:9' });
  expect(await download(repo, { settings: away, onNote: (note) => notes.push(note) })).toMatchObject({
    commit,
    folder,
  });
  expect(notes.at(-1)).toMatch(/cannot be reached.*using what the cache has/);
});

test('a new revision shares what did not change; a commit is asked for by its name', async () => {
  const repo = newRepo();
  const first = await download(repo, { settings: settings() });
  hub.addRepo(repo.id, { ...FILES, 'config.json': '{}' });
  const second = await download(repo, { settings: settings() });
  expect(second.fetched).toBe(2);
  expect(second.commit).not.toBe(first.commit);
  expect((await download(repo, { settings: settings(), revision: first.commit })).folder).toBe(first.folder);
  expect((await listCache(cache))[0]!.revisions.flatMap(({ refs }) => refs)).toEqual(['main']);
});

test('what another program left is used where it is whole, and replaced where it is not', async () => {
  const repo = newRepo();
  const blobs = join(folderOf(repo), 'blobs');
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(blobs, sha256(LARGE)), LARGE);
  writeFileSync(join(blobs, gitHash(Buffer.from(FILES['config.json']))), 'cut off');
  const { folder } = await download(repo, { settings: settings() });
  expect(fromCdn()).toEqual([]);
  expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe(FILES['config.json']);
});

test('an aborted download ends at once with the reason, and goes on from what came', async () => {
  const repo = newRepo();
  hub.faults.push({ match: /xet-bridge/, slow: 20 });
  const stop = new AbortController();
  const running = download(repo, {
    settings: settings(),
    signal: stop.signal,
    onProgress: ({ done }) => done > 300_000 && stop.abort(new Error('enough')),
  });
  await expect(running).rejects.toThrow('enough');
  expect((await listCache(cache))[0]!.incompleteBytes).toBeGreaterThan(250_000);
  await download(repo, { settings: settings() });
  expect(fromCdn().at(-1)!.range).toMatch(/^bytes=[1-9]\d+-$/);
  expect((await listCache(cache))[0]!.incompleteBytes).toBe(0);
});
