/** Stores, a folder and S3, keep files whole, by name; and what S3 refuses is a line. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { CREDENTIALS, FakeS3, type Fault } from '../testing/fake-s3.ts';
import { Results } from './results.ts';
import { S3Store } from './s3-store.ts';
import { openStore, placesIn, type Store } from './store.ts';

const scratch = mkdtempSync(join(tmpdir(), 'store-'));
const server = new FakeS3('bucket');
const before = { ...process.env };
let notes: string[] = [];
const onNote = (note: string) => notes.push(note);

beforeAll(() => server.listen());
beforeEach(() => {
  notes = [];
  server.objects.clear();
  server.requests.length = 0;
  server.faults = [];
  server.fault = undefined;
  process.env = { ...before, ...server.environment, AWS_MAX_ATTEMPTS: '3' };
});
afterAll(async () => {
  process.env = before;
  await server.close();
  rmSync(scratch, { recursive: true, force: true });
});

const open = (store: string): Promise<Store> => openStore(placesIn(store)('run'), { onNote });

test('a place is a folder or a bucket, and nothing else', () => {
  const places = ['out/store', 's3://bucket', 's3://bucket/', 's3://bucket/a/b c/'];
  expect(places.map((store) => placesIn(store)('run'))).toEqual([
    join(process.cwd(), 'out/store/run'),
    's3://bucket/run',
    's3://bucket/run',
    's3://bucket/a/b c/run',
  ]);
  for (const store of ['gs://bucket/a', 'https://host/a', 's3://', 's3:///a'])
    expect(() => placesIn(store)).toThrow(
      new UserError(`--store: found "${store}"; expected a folder, or S3 as s3://bucket/prefix`),
    );
});

test.each([
  ['a folder', join(scratch, 'store')],
  ['S3', 's3://bucket/a prefix/ü'],
])('%s keeps files by name, and nothing of another run', async (_, at) => {
  const [store, other] = [await open(at), await openStore(placesIn(at)('run2'), { onNote })];
  await store.create();
  await other.create();
  expect(await store.names()).toEqual([]);
  expect(await store.read('none')).toBeUndefined();
  const names = ['a.json', 'b.json', 'c.json', 'd.json', 'e.json', 'f.json', 'g.json'];
  for (const name of names) await store.write(name, `first ${name}`);
  await store.write('b.json', 'second, "ü"\n');
  await other.write('z.json', 'z');
  expect([...(await store.names())].sort()).toEqual(names);
  expect(await store.read('a.json')).toBe('first a.json');
  expect(await store.read('b.json')).toBe('second, "ü"\n');
  expect(await other.read('z.json')).toBe('z');
  expect([await store.has('b.json'), await store.has('z.json')]).toEqual([true, false]);
  await store.remove(['a.json', 'b.json', 'never.json']);
  expect([...(await store.names())].sort()).toEqual(names.slice(2));
  expect(notes).toEqual([]);
});

test('a result that another program cut or exchanged is none, and what has ended is not written', async () => {
  const store = await open('s3://bucket/p');
  const results = new Results(store);
  const result = { results: [{ frames: 1 }], notes: [], damage: [] };
  await results.write('early', result);
  expect(await results.keys()).toEqual(new Set());
  await results.begin('token');
  await results.write('whole', result);
  await results.write('whole', result);
  expect(await results.keys()).toEqual(new Set(['whole']));
  expect(await results.read('whole', 1)).toMatchObject(result);
  expect(await results.read('whole', 2)).toBeUndefined();
  await store.write('cut.json', '{"key":"cut","results":[');
  await store.write('other.json', (await store.read('whole.json'))!);
  expect(await results.read('cut', 1)).toBeUndefined();
  expect(await results.read('other', 1)).toBeUndefined();
  await results.clear();
  expect(server.objects.size).toBe(0);
});

const slowDown: Fault = { status: 503, code: 'SlowDown' };

test.each<Fault>([
  { status: 500, code: 'InternalError' },
  slowDown,
  'reset',
  'cut in the body',
])('a request that met %j is tried again, without a word', async (fault) => {
  const store = await open('s3://bucket/p');
  await store.write('a', 'some text');
  server.faults = [fault];
  expect(await store.read('a')).toBe('some text');
  server.faults = [fault];
  await store.write('b', 'more');
  expect(await store.read('b')).toBe('more');
  server.faults = [fault];
  expect(await store.names()).toEqual(['a', 'b']);
  expect(notes).toEqual([]);
});

test('a server that says nothing is asked again', async () => {
  const at = { place: 's3://bucket/p', bucket: 'bucket', prefix: 'p' };
  const store = await S3Store.open(at, { onNote }, 200);
  server.faults = ['silent'];
  await store.write('a', 'some text');
  server.faults = ['silent'];
  expect(await store.read('a')).toBe('some text');
});

test('S3 that answered before is waited for, and that can be interrupted', async () => {
  const store = await open('s3://bucket/p');
  await store.write('a', 'some text');
  server.fault = slowDown;
  const read = store.read('a');
  while (notes.length === 0) await wait(20);
  server.fault = undefined;
  expect(await read).toBe('some text');
  expect(notes).toEqual([
    's3://bucket/p/run: is away: SlowDown, status 503; waiting for it',
    's3://bucket/p/run: is back',
  ]);
  const controller = new AbortController();
  const interrupted = await openStore('s3://bucket/p/run', { onNote, signal: controller.signal });
  await interrupted.names();
  server.fault = 'reset';
  const write = interrupted.write('b', 'text');
  while (notes.length < 3) await wait(20);
  controller.abort(new UserError('stopped'));
  await expect(write).rejects.toThrow('stopped');
});

test.each([
  [
    'a bucket that is none',
    's3://other/p',
    {},
    'found no bucket "other"; expected one that exists: it is not made here',
  ],
  [
    'another region',
    's3://bucket/p',
    { AWS_REGION: 'us-east-1' },
    /^the bucket is of another region: The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-test-1' \(AuthorizationHeaderMalformed, status 400\); expected its own as AWS_REGION$/,
  ],
  ['no region', 's3://bucket/p', { AWS_REGION: '' }, 'found no region for S3; expected AWS_REGION'],
  [
    'no credentials',
    's3://bucket/p',
    { AWS_ACCESS_KEY_ID: '' },
    'found no credentials for S3; expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile (AWS_PROFILE)',
  ],
  [
    'an unknown key',
    's3://bucket/p',
    { AWS_ACCESS_KEY_ID: 'AKIDOTHER' },
    'refuses: The AWS Access Key Id you provided does not exist (InvalidAccessKeyId, status 403)',
  ],
  [
    'a wrong secret',
    's3://bucket/p',
    { AWS_SECRET_ACCESS_KEY: 'another' },
    'refuses: The request signature does not match (SignatureDoesNotMatch, status 403)',
  ],
  [
    'a server that is not there',
    's3://bucket/p',
    { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9' },
    /^cannot be reached: .*ECONNREFUSED.*; expected S3, or a server at AWS_ENDPOINT_URL_S3$/,
  ],
])('%s is one line', async (_, at, environment, line) => {
  Object.assign(process.env, environment);
  for (const [name, value] of Object.entries(environment)) if (value === '') delete process.env[name];
  const error = await (await open(at)).write('a', 'text').catch((error: Error) => error);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message.replace(`${at}/run: `, '')).toEqual(
    typeof line === 'string' ? line : expect.stringMatching(line),
  );
  expect((error as Error).message).not.toContain(CREDENTIALS.secret);
});

test('credentials that expire are one line', async () => {
  const store = await open('s3://bucket/p');
  await store.write('a', 'some text');
  server.fault = { status: 400, code: 'ExpiredToken' };
  await expect(store.read('a')).rejects.toThrow(
    new UserError(
      's3://bucket/p/run: the credentials have expired: ExpiredToken, status 400; expected new ones',
    ),
  );
});
