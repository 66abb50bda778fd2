/** Uploads: what is there is not sent, large files go in parts, refusals are one line; the card says only what is known. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FAKE_TOKEN, type FakeHub, startFakeHub } from '../testing/fake-hub.ts';
import { repoOf } from './names.ts';
import { checkToken, push } from './push.ts';
import type { HubSettings } from './settings.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hub-push-'));
const WEIGHTS = randomBytes(700_000);
let hub: FakeHub;

beforeAll(async () => {
  hub = await startFakeHub();
  mkdirSync(join(scratch, 'experts'));
  writeFileSync(join(scratch, 'config.json'), '{}');
  writeFileSync(join(scratch, 'experts/experts.json'), '[]');
  writeFileSync(join(scratch, 'model.safetensors'), WEIGHTS);
});
afterAll(async () => {
  await hub.close();
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(() => {
  hub.requests.length = 0;
  hub.faults.length = 0;
  hub.partSize = 1e9;
});

const settings = (changed: Partial<HubSettings> = {}): HubSettings => ({
  ...{ endpoint: hub.url, cache: scratch, token: FAKE_TOKEN, offline: false, timeout: 1000, pause: 20 },
  ...changed,
});
const FILES = ['config.json', 'experts/experts.json', 'model.safetensors'].map((path) => ({
  path,
  file: join(scratch, path),
}));
const pushed = (id: string, changed: Partial<HubSettings> = {}) =>
  push(repoOf(id, 'model'), FILES, { settings: settings(changed), message: 'test' });
const headOf = (id: string) => [...hub.repo(id)!.commits.values()].at(-1)!;
const toCdn = () => hub.requests.filter(({ on }) => on === 'cdn');

test('a push creates the repository and commits; a second one sends nothing; a third only what changed', async () => {
  const first = await pushed('tester/a');
  expect(first).toMatchObject({
    created: true,
    changed: FILES.map(({ path }) => path),
    url: `${hub.url}/tester/a`,
  });
  expect(headOf('tester/a').get('model.safetensors')!.equals(WEIGHTS)).toBe(true);
  expect(toCdn().map(({ method, authorization }) => [method, authorization])).toEqual([['PUT', undefined]]);

  hub.requests.length = 0;
  expect(await pushed('tester/a')).toMatchObject({
    created: false,
    changed: [],
    sent: 0,
    commit: first.commit,
  });
  expect(hub.requests.some(({ path }) => /preupload|batch|\/commit\//.test(path))).toBe(false);

  writeFileSync(join(scratch, 'config.json'), '{"a":1}');
  hub.requests.length = 0;
  expect(await pushed('tester/a')).toMatchObject({ changed: ['config.json'], sent: 7 });
  expect(toCdn()).toEqual([]);
});

test('a large file goes in parts, each repeated alone where it fails; one that broke off before its commit is not sent again', async () => {
  hub.partSize = 300_000;
  hub.faults.push({ match: /part\/[0-9a-f]+\/1/, status: 500 }, { match: /\/commit\//, status: 400 });
  const other = randomBytes(700_000);
  writeFileSync(join(scratch, 'model.safetensors'), other);
  await expect(pushed('tester/b')).rejects.toThrow('tester/b: the hub answers 400: as the test asked');
  expect(
    toCdn().map(({ path }) =>
      path
        .split('?')[0]!
        .split('/')
        .slice(1)
        .join(' ')
        .replace(/ [0-9a-f]{64}/, ''),
    ),
  ).toEqual(['part 0', 'part 1', 'part 1', 'part 2', 'complete']);
  hub.requests.length = 0;
  await pushed('tester/b');
  expect(toCdn()).toEqual([]);
  expect(headOf('tester/b').get('model.safetensors')!.equals(other)).toBe(true);
});

test('what cannot be pushed is one line', async () => {
  await expect(pushed('tester/c', { token: undefined })).rejects.toThrow(
    `found no token of the hub; expected one that may write, from ${hub.url}/settings/tokens, in HF_TOKEN`,
  );
  await expect(pushed('tester/c', { token: 'hf_no' })).rejects.toThrow(
    'token: the hub does not take your token',
  );
  await expect(pushed('tester/c', { offline: true })).rejects.toThrow('HF_HUB_OFFLINE');
  await expect(pushed('google/c')).rejects.toThrow("google/c: the hub forbids it: You don't have the rights");
  hub.faults.push({ match: /whoami/, json: { name: 'tester', auth: { accessToken: { role: 'read' } } } });
  await expect(checkToken(settings())).rejects.toThrow('token: found one of tester that only reads');
  hub.faults.push({
    match: /batch/,
    json: { objects: [{ oid: 'x', error: { code: 413, message: 'too large' } }] },
  });
  writeFileSync(join(scratch, 'model.safetensors'), randomBytes(1000));
  await expect(pushed('tester/c')).rejects.toThrow('the hub does not take it: too large');
  hub.faults.push({ match: /^\/upload\//, status: 403 });
  await expect(pushed('tester/c')).rejects.toThrow('does not take it: it answers 403');
  hub.faults.push({ match: /\/commit\//, status: 412 });
  await expect(pushed('tester/c')).rejects.toThrow('tester/c: changed on the hub meanwhile; push again');
});
