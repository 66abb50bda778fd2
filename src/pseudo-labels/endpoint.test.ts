/** An endpoint that fails in every way it can: one line each, no memory without bound, and no key where it does not belong. */
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { resetMs, retryAfterMs } from '../retry.ts';
import { send, startTranslationServer, type TranslationServer } from '../testing/translation-server.ts';
import { Endpoint, RequestFailed } from './endpoint.ts';
import { Pace } from './pace.ts';

let server: TranslationServer;
let other: TranslationServer;
beforeAll(async () => {
  server = await startTranslationServer((text) => text);
  other = await startTranslationServer((text) => text);
});
afterAll(() => Promise.all([server.close(), other.close()]));
beforeEach(() => {
  server.misbehave = undefined;
  server.received.length = 0;
});

const KEY = 'sk-secret';
const endpoint = (timeoutMs = 5000) =>
  new Endpoint({
    url: `${server.url}/?api-version=1`,
    headers: { authorization: `Bearer ${KEY}` },
    key: KEY,
    keyHint: '--key-env names the variable',
    timeoutMs,
    firstWaitMs: 1,
  });
const ask = (one = endpoint()) => one.ask('/translate', { q: ['a'] });

const failure = (asked: Promise<unknown>): Promise<Error> =>
  asked.then(
    () => new Error('it was answered'),
    (error: Error) => error,
  );

const raw =
  (write: (response: ServerResponse) => void) =>
  (_: unknown, response: ServerResponse): true => {
    write(response);
    return true;
  };

test.each([
  [
    'HTML',
    raw((response) =>
      send(response, 200, '<!doctype html><title>Sign in</title>', { 'content-type': 'text/html' }),
    ),
    /found text\/html "<!doctype html><title>Sign in<\/title>"; expected JSON$/,
  ],
  ['nothing', raw((response) => response.writeHead(200).end()), /found an empty answer; expected JSON$/],
  [
    'an error in 200',
    raw((response) => send(response, 200, { error: { message: 'model\u001b[31m is\nloading', code: 500 } })),
    /found an error in the answer: model.\[31m is loading$/,
  ],
  [
    'bytes that are not UTF-8',
    raw((response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]));
    }),
    /found bytes that are not UTF-8 \(application\/json\); expected JSON$/,
  ],
  [
    'a gigabyte by its header',
    raw((response) => {
      response.writeHead(200, { 'content-length': '1000000000' });
      response.write('{');
    }),
    /found an answer of more than 8 MB; expected some sentences$/,
  ],
  [
    'an endless stream',
    raw((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const block = 'data: {"choices":[]}\n\n'.repeat(5000);
      const more = () => {
        while (!response.destroyed && response.write(block));
      };
      response.on('drain', more);
      more();
    }),
    /found an answer of more than 8 MB; expected some sentences$/,
  ],
  [
    'an end in the middle',
    raw((response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"translatedText":');
      setTimeout(() => response.destroy(), 10);
    }),
    /found no whole answer \([^)]+\); expected an endpoint that answers$/,
  ],
  [
    'no path',
    raw((response) => send(response, 404, { detail: 'Not Found' })),
    /HTTP 404: .*Not Found.*; expected an endpoint and a model that are there$/,
  ],
  [
    'a refused key, which it repeats',
    raw((response) => send(response, 401, { error: { message: `Incorrect API key provided: ${KEY}` } })),
    /HTTP 401: Incorrect API key provided: \[the key\]; expected a key that it accepts; --key-env names the variable$/,
  ],
  [
    'a refused key at the end of what a message shows',
    raw((response) => send(response, 401, { error: `${'x'.repeat(195)} ${KEY}` })),
    /HTTP 401: x+ \[the…; expected a key that it accepts; --key-env names the variable$/,
  ],
  [
    'no money',
    raw((response) =>
      send(response, 429, { error: { message: 'You exceeded your quota', code: 'insufficient_quota' } }),
    ),
    /HTTP 429: You exceeded your quota; expected a quota that is left$/,
  ],
])('%s: one line', async (_, misbehave, message) => {
  server.misbehave = misbehave;
  const error = await failure(ask());
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).toMatch(message);
  expect(error.message).not.toMatch(/\n|sk-secret|api-version/);
  // What is wrong with a URL is not asked again.
  expect(server.received).toHaveLength(1);
});

test('an answer that is JSON is read, whatever type it claims to be', async () => {
  server.misbehave = raw((response) => send(response, 200, '{"a":1}', { 'content-type': 'text/html' }));
  expect(await ask()).toEqual({ a: 1 });
});

test('an endpoint that does not answer in time is one line', async () => {
  server.misbehave = () => true;
  await expect(ask(endpoint(50))).rejects.toThrow(/found no whole answer in 0\.05 s \(--timeout\)$/);
});

test('a redirect is not followed: neither the text nor the key reach another host', async () => {
  for (const status of [301, 302, 307, 308]) {
    server.misbehave = raw((response) => send(response, status, '', { location: `${other.url}/translate` }));
    await expect(ask()).rejects.toThrow(`found a redirect (${status}) to ${other.url}/translate`);
  }
  expect(other.received).toEqual([]);
});

test('429, 5xx and broken connections of an endpoint that worked are asked again', async () => {
  const one = endpoint();
  await ask(one);
  server.received.length = 0;
  server.misbehave = (_, response, number) => {
    if (number === 0)
      return send(response, 429, { error: 'Slowdown: 10 per 1 minute' }, { 'retry-after': '0' });
    if (number === 1) return send(response, 500, 'oops');
    if (number === 2) return Boolean(response.destroy());
    return false;
  };
  expect(await ask(one)).toEqual({ translatedText: ['a'] });
  expect(server.received).toHaveLength(4);
});

test('a first connection that is closed is opened once more, as one that was kept open may be; a second one is the end', async () => {
  let closed = 1;
  server.misbehave = raw((response) => void response.socket!.destroy());
  const misbehave = server.misbehave;
  server.misbehave = (...request) => closed-- > 0 && misbehave(...request);
  expect(await ask()).toMatchObject({ translatedText: expect.anything() });
  closed = 2;
  expect(await failure(ask())).toMatchObject({ message: expect.stringContaining('found no whole answer') });
});

test('it asks six times, then says what the last answer was', async () => {
  const one = endpoint();
  await ask(one);
  server.received.length = 0;
  server.misbehave = raw((response) => send(response, 502, 'Bad gateway'));
  const error = await failure(ask(one));
  expect(error).toBeInstanceOf(RequestFailed);
  expect(error.message).toMatch(/HTTP 502: Bad gateway$/);
  expect(server.received).toHaveLength(6);
});

test('a pause that the endpoint asks for holds for all requests', async () => {
  const one = endpoint();
  server.misbehave = (_, response, number) =>
    number === 0 && send(response, 429, { error: 'slow' }, { 'retry-after-ms': '300' });
  const started = performance.now();
  const first = ask(one);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await Promise.all([first, ask(one)]);
  expect(performance.now() - started).toBeGreaterThan(290);
});

test('a remaining count of zero is waited for before it is refused', async () => {
  const one = endpoint();
  server.misbehave = (_, response, number) =>
    number === 0 &&
    send(response, 200, '{}', {
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '250ms',
    });
  await ask(one);
  const started = performance.now();
  await ask(one);
  expect(performance.now() - started).toBeGreaterThan(240);
});

test.each([
  ['1s', 1000],
  ['6m0s', 360_000],
  ['12ms', 12],
  ['1h2m3.5s', 3_723_500],
  ['7.66s', 7660],
  ['20', 20_000],
  ['soon', undefined],
])('the reset time %s is %s ms', (text, ms) => {
  expect(resetMs(text)).toBe(ms);
});

test('retry-after is seconds or a date', () => {
  const now = Date.parse('Sat, 28 Nov 2026 15:00:00 GMT');
  const of = (value: string) => retryAfterMs(new Headers({ 'retry-after': value }), now);
  expect([of('3'), of('Sat, 28 Nov 2026 15:00:05 GMT'), of('Sat, 28 Nov 2026 14:00:00 GMT')]).toEqual([
    3000, 5000, 0,
  ]);
});

test('requests and tokens of a minute are spread', async () => {
  const pace = new Pace({ requestsPerMinute: 600, tokensPerMinute: 60_000 });
  const started = performance.now();
  await pace.turn(10); // 100 ms by the requests
  await pace.turn(200); // 200 ms by the tokens
  await pace.turn(1);
  expect(performance.now() - started).toBeGreaterThan(295);
});

test.each([
  ['nonsense', /expected a URL such as/],
  ['file:///etc/passwd', /expected http:\/\/ or https:\/\//],
  ['http://user:sk-secret@host/v1', /expected a key in the environment/],
])('--url %s: one line', (url, message) => {
  const make = () => new Endpoint({ url, timeoutMs: 1 });
  expect(make).toThrow(message);
  expect(make).not.toThrow(/sk-secret/);
});
