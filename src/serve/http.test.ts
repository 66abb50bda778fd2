/** What a server answers to requests, good and bad, over real sockets; the process that computes is scripted. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import {
  type Script,
  scriptedEngine,
  scriptedModel,
  segmentOf,
  transcriptOf,
} from '../testing/scripted-engine.ts';
import { EngineUnavailable } from './engine.ts';
import type { RequestLine } from './request-log.ts';
import { type RunningServer, type ServerOptions, startServer } from './server.ts';
import { Uploads } from './uploads.ts';

const CLIP = readFileSync(new URL('../audio/fixtures/pcm16-16k.wav', import.meta.url));

const running: RunningServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.close(1);
});

async function served(script: Script = {}, options: ServerOptions = {}) {
  const engine = scriptedEngine(script);
  const lines: RequestLine[] = [];
  const server = await startServer(engine, { port: 0, log: (line) => lines.push(line), ...options });
  running.push(server);
  return { engine, lines, server, url: server.url };
}

function form(
  fields: Record<string, string | string[]> = {},
  file: Blob | null = new Blob([CLIP]),
): FormData {
  const data = new FormData();
  if (file) data.append('file', file, 'clip.wav');
  for (const [name, values] of Object.entries(fields))
    for (const value of [values].flat()) data.append(name, value);
  return data;
}

async function post(
  url: string,
  body: FormData,
  headers: Record<string, string> = {},
  path = 'transcriptions',
) {
  const response = await fetch(`${url}/v1/audio/${path}`, { method: 'POST', body, headers });
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined;
  return { status: response.status, headers: response.headers, text, json };
}

/** Files that a server keeps; its folder is the only one of this process. */
function keptFiles(): string[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith(`whisper-transfer-serve-${process.pid}-`))
    .flatMap((name) => readdirSync(join(tmpdir(), name)));
}

test('fields become options; unknown, empty and repeated names are no error', async () => {
  const { url, engine } = await served();
  const fields = {
    model: 'whisper-1',
    language: 'fr',
    prompt: 'Names',
    'timestamp_granularities[]': ['word', 'segment'],
    response_format: 'verbose_json',
    hotwords: 'x',
    temperature: '',
  };
  const { status, json } = await post(url, form(fields));
  expect(status).toBe(200);
  expect(engine.asked).toMatchObject([
    {
      model: 'tiny',
      task: 'transcribe',
      options: { from: 'fr', prompt: 'Names', fallback: true, words: true, timestamps: true },
    },
  ]);
  expect(json).toMatchObject({
    task: 'transcribe',
    language: 'french',
    duration: 1.5,
    text: 'Bonjour.',
    words: [],
  });
});

test('a translation goes into the language of the model, or into another that is named', async () => {
  const { url, engine } = await served();
  const first = await post(url, form({ response_format: 'verbose_json' }), {}, 'translations');
  const second = await post(
    url,
    form({ response_format: 'verbose_json', to_language: 'German' }),
    {},
    'translations',
  );
  expect([first.json.language, second.json.language]).toEqual(['chinese', 'german']);
  expect(engine.asked.map((one) => 'options' in one && one.options.to)).toEqual([undefined, 'de']);
});

test.each([
  [{ model: 'nope' }, 404, 'model_not_found', 'model', /expected any of tiny, whisper-1/],
  [{ response_format: 'xml' }, 400, null, 'response_format', /found "xml"; expected any of json, text/],
  [{ temperature: '2' }, 400, null, 'temperature', /expected a number from 0 to 1/],
  [{ language: 'klingon' }, 400, null, 'language', /expected a language/],
  [{ language: 'de' }, 400, null, 'language', /which tiny does not know/],
  [
    { 'timestamp_granularities[]': 'page' },
    400,
    null,
    'timestamp_granularities',
    /expected any of word, segment/,
  ],
  [{ stream: 'maybe' }, 400, null, 'stream', /found "maybe"/],
  [{ response_format: ['json', 'text'] }, 400, null, 'response_format', /found 2 values/],
])('fields %j: %i', async (fields, status, code, param, message) => {
  const { url, engine } = await served();
  const answer = await post(url, form(fields as Record<string, string>));
  expect(answer.status).toBe(status);
  expect(answer.json.error).toMatchObject({ type: 'invalid_request_error', code, param });
  expect(answer.json.error.message).toMatch(message);
  expect(engine.asked).toEqual([]);
  expect(keptFiles()).toEqual([]);
});

test('no file, a text for it, two of them, an empty one', async () => {
  const { url } = await served();
  const two = form();
  two.append('file', new Blob([CLIP]), 'second.wav');
  const bodies = [form({}, null), form({ file: 'a text' }, null), two, form({}, new Blob([]))];
  const found = [/found none/, /found a text/, /found two files/, /found no bytes in clip.wav/];
  for (const [i, body] of bodies.entries()) {
    const { status, json } = await post(url, body);
    expect(status).toBe(400);
    expect(json.error.param).toBe('file');
    expect(json.error.message).toMatch(found[i]!);
  }
  expect(keptFiles()).toEqual([]);
});

test('what the engine says, and nothing of the machine', async () => {
  const fails = (error: Error): Script => ({ transcribe: () => Promise.reject(error) });
  const busy = await served(fails(new EngineUnavailable('the queue is full', 'busy', 3)));
  const one = await post(busy.url, form());
  expect([one.status, one.headers.get('retry-after'), one.json.error.type]).toEqual([
    429,
    '3',
    'rate_limit_error',
  ]);
  const down = await served(fails(new EngineUnavailable('it starts again', 'down', 5)));
  const two = await post(down.url, form());
  expect([two.status, two.headers.get('retry-after'), two.json.error.type]).toEqual([
    503,
    '5',
    'server_error',
  ]);
  const bad = await served({
    transcribe: ({ audio }) =>
      Promise.reject(new UserError(`${audio}: found text in ${scriptedModel.directory}`)),
  });
  const three = await post(bad.url, form());
  expect([three.status, three.json.error.message, three.json.error.param]).toEqual([
    400,
    'clip.wav: found text in tiny',
    'file',
  ]);
  const broken = await served(fails(new TypeError('/home/someone: undefined is not a function')));
  const four = await post(broken.url, form());
  expect([four.status, four.headers.get('x-should-retry')]).toEqual([500, 'false']);
  expect(four.text).not.toContain('/home');
  expect(broken.lines[0]).toMatchObject({
    status: 500,
    fault: expect.stringContaining('undefined is not a function'),
  });
  expect(four.headers.get('x-request-id')).toBe(broken.lines[0]!.id);
});

test('an upload that is too large is refused at once where its length is stated, else while it comes', async () => {
  const { url, server } = await served({}, { limits: { maxUpload: 100_000 } });
  const stated = await post(url, form({}, new Blob([Buffer.alloc(200_000)])));
  expect(stated.status).toBe(413);
  expect(stated.json.error).toMatchObject({ type: 'server_error', code: null });
  expect(stated.json.error.message).toMatch(
    /^Maximum content size limit \(100000\) exceeded \(\d+ bytes read\)$/,
  );
  // Chunked, and without an end: the answer comes all the same.
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const outgoing = httpRequest(
      {
        port: server.port,
        path: '/v1/audio/transcriptions',
        method: 'POST',
        headers: { 'content-type': 'multipart/form-data; boundary=x' },
      },
      (response) => {
        clearInterval(timer);
        response.resume();
        outgoing.destroy();
        resolve(response.statusCode);
      },
    );
    outgoing.on('error', reject);
    outgoing.write('--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n');
    const timer = setInterval(() => outgoing.write(Buffer.alloc(20_000)), 5);
  });
  expect(status).toBe(413);
  expect(keptFiles()).toEqual([]);
});

test('a field in a charset that nobody knows is named', async () => {
  const { url } = await served();
  const part = (head: string, content: string) =>
    `--x\r\ncontent-disposition: form-data; ${head}\r\n\r\n${content}\r\n`;
  const body = [
    part('name="language"\r\ncontent-type: text/plain; charset=klingon', 'en'),
    part('name="file"; filename="a.wav"', 'RIFF'),
    '--x--\r\n',
  ].join('');
  const response = await fetch(`${url}/v1/audio/transcriptions`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=x' },
    body,
  });
  expect(response.status).toBe(400);
  expect(((await response.json()) as { error: object }).error).toMatchObject({
    message: 'language: found a text in an unknown charset; expected UTF-8',
    param: 'language',
  });
});

test('a client that hangs up aborts what is computed for it, and its file is gone', async () => {
  let aborted: unknown;
  let begun = (): void => {};
  const computing = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { url, lines } = await served({
    transcribe: (_, { signal }) =>
      new Promise((_, reject) => {
        begun();
        signal!.addEventListener('abort', () => {
          aborted = signal!.reason;
          reject(signal!.reason);
        });
      }),
  });
  const hangUp = new AbortController();
  const answer = fetch(`${url}/v1/audio/transcriptions`, {
    method: 'POST',
    body: form(),
    signal: hangUp.signal,
  });
  await computing;
  expect(keptFiles()).toHaveLength(1);
  hangUp.abort();
  await expect(answer).rejects.toThrow();
  await expect.poll(() => (aborted as Error | undefined)?.name).toBe('AbortError');
  await expect.poll(keptFiles).toEqual([]);
  await expect.poll(() => lines[0]?.status).toBe(499);
});

test('a request that takes too long, and more requests than fit', async () => {
  const slow: Script = {
    transcribe: (_, { signal }) =>
      new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason))),
  };
  const { url } = await served(slow, { limits: { timeout: 0.3, maxRequests: 1 } });
  const first = post(url, form());
  await expect.poll(() => keptFiles().length).toBe(1);
  const second = await post(url, form());
  expect([second.status, second.json.error.code]).toEqual([429, 'rate_limit_exceeded']);
  expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0);
  const { status, json } = await first;
  expect([status, json.error.code]).toEqual([504, 'timeout']);
});

test('a recording that is longer than allowed is refused by its headers, else where the text passes the limit', async () => {
  const { url, engine } = await served({}, { limits: { maxDuration: 0.1 } });
  const { status, json } = await post(url, form());
  expect([status, json.error.param]).toEqual([400, 'file']);
  expect(json.error.message).toMatch(/^file: found [\d.]+ s of sound; expected at most 0.1 s$/);
  expect(engine.asked).toEqual([]);
  const unknown = await served({}, { limits: { maxDuration: 1 } });
  const later = await post(unknown.url, form({}, new Blob(['no sound at all'])));
  expect([later.status, later.json.error.message]).toEqual([
    400,
    'file: found 1.5 s of sound; expected at most 1 s',
  ]);
});

test('the text of each format', async () => {
  const { url } = await served({
    transcribe: async () => transcriptOf(segmentOf(' One.', 0, 1.5), segmentOf(' Two.', 1.5, 3)),
  });
  const of = async (response_format: string) => {
    const { headers, text } = await post(url, form({ response_format }));
    return [headers.get('content-type'), text];
  };
  expect(await of('json')).toEqual([
    'application/json',
    '{"text":"One. Two.","languages":[{"code":"fr"}],"usage":{"type":"duration","seconds":3}}',
  ]);
  expect(await of('text')).toEqual(['text/plain; charset=utf-8', 'One. Two.\n']);
  expect(await of('srt')).toEqual([
    'text/plain; charset=utf-8',
    '1\n00:00:00,000 --> 00:00:01,500\nOne.\n\n2\n00:00:01,500 --> 00:00:03,000\nTwo.\n\n',
  ]);
  expect(await of('vtt')).toEqual([
    'text/vtt; charset=utf-8',
    'WEBVTT\n\n00:00.000 --> 00:01.500\nOne.\n\n00:01.500 --> 00:03.000\nTwo.\n\n',
  ]);
  const { json } = await post(url, form({ response_format: 'verbose_json' }));
  expect(Object.keys(json.segments[1]).sort()).toEqual(
    [
      'id',
      'seek',
      'start',
      'end',
      'text',
      'tokens',
      'temperature',
      'avg_logprob',
      'compression_ratio',
      'no_speech_prob',
    ].sort(),
  );
  expect(json.words).toBeUndefined();
});

test('a stream sends each part as it is done, and its deltas joined are the text', async () => {
  let release = (): void => {};
  const second = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { url } = await served({
    transcribe: async (_, { onSegment }) => {
      const segments = [segmentOf(' One.', 0, 1.5), segmentOf(' Two.', 1.5, 3)];
      onSegment!(segments[0]!, 'en');
      await second;
      onSegment!(segments[1]!, 'en');
      return transcriptOf(...segments);
    },
  });
  const body = form({ stream: 'true' });
  const response = await fetch(`${url}/v1/audio/transcriptions`, { method: 'POST', body });
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  let text = '';
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    // The first part is here before the second was computed.
    if (text.includes('One.')) release();
  }
  const events = text
    .split('\n\n')
    .filter((one) => one.startsWith('data: '))
    .map((one) => one.slice(6));
  expect(events.pop()).toBe('[DONE]');
  const parsed = events.map((event) => JSON.parse(event));
  expect(parsed).toMatchObject([
    { type: 'transcript.text.delta', delta: 'One.' },
    { type: 'transcript.text.delta', delta: ' Two.' },
    {
      type: 'transcript.text.done',
      text: 'One. Two.',
      languages: [{ code: 'fr' }],
      usage: { type: 'tokens' },
    },
  ]);
  expect(keptFiles()).toEqual([]);
});

test('a stream that fails before its first event has the status of its error, later an event of it', async () => {
  const early = await served({
    transcribe: ({ audio }) => Promise.reject(new UserError(`${audio}: found text`)),
  });
  const { status, json } = await post(early.url, form({ stream: 'true' }));
  expect([status, json.error.message]).toEqual([400, 'clip.wav: found text']);
  const late = await served({
    transcribe: async (_, { onSegment }) => {
      onSegment!(segmentOf(' One.', 0, 1.5), 'en');
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw new EngineUnavailable('it died', 'down', 5);
    },
  });
  const answer = await post(late.url, form({ stream: 'true' }));
  expect(answer.status).toBe(200);
  expect(answer.text).toContain('"error":{"message":"it died"');
  expect(answer.text).not.toContain('[DONE]');
});

test('a key: none and another one are 401, and the pages of health need none', async () => {
  const { url } = await served({}, { apiKey: 'a-long-secret' });
  const of = async (path: string, authorization?: string) =>
    (await fetch(`${url}${path}`, { headers: authorization === undefined ? {} : { authorization } })).status;
  expect(await of('/v1/models')).toBe(401);
  expect(await of('/v1/models', 'Bearer another-secret')).toBe(401);
  expect(await of('/v1/models', 'Bearer a-long-secret')).toBe(200);
  expect(await of('/metrics')).toBe(401);
  for (const path of ['/healthz', '/readyz', '/openapi.json']) expect(await of(path)).toBe(200);
  const response = await fetch(`${url}/v1/models`);
  expect(((await response.json()) as { error: { code: string } }).error.code).toBe('invalid_api_key');
});

/** With headers that fetch does not let a program choose. */
const statusOf = (port: number, headers: Record<string, string>, method = 'GET', path = '/v1/models') =>
  new Promise<[number | undefined, Record<string, unknown>]>((resolve, reject) => {
    httpRequest({ port, path, method, headers }, (response) => {
      response.resume();
      resolve([response.statusCode, response.headers]);
    })
      .on('error', reject)
      .end();
  });

test('web pages of other sites, and names bound anew to this machine, may not ask', async () => {
  const { server } = await served();
  const { port } = server;
  const status = async (headers: Record<string, string>) => (await statusOf(port, headers))[0];
  expect(await status({ host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200);
  expect(await status({ host: `127.0.0.1:${port}` })).toBe(200);
  expect(await status({ host: `[::1]:${port}` })).toBe(200);
  expect(await status({ host: 'rebound.example' })).toBe(403);
  expect(await status({ host: `localhost:${port}`, origin: 'https://page.example' })).toBe(403);
  expect(await status({ host: `localhost:${port}`, origin: 'null' })).toBe(403);
  expect(await status({ host: `localhost:${port}`, origin: `http://localhost:${port + 1}` })).toBe(403);
  expect(await status({ host: `localhost:${port}`, 'sec-fetch-site': 'cross-site' })).toBe(403);
});

test('CORS: only for the sites that were named', async () => {
  const { server } = await served({}, { cors: ['https://app.example'] });
  const preflight = {
    origin: 'https://app.example',
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,x-stainless-os',
  };
  const [status, headers] = await statusOf(server.port, preflight, 'OPTIONS');
  expect([status, headers['access-control-allow-origin'], headers['access-control-allow-headers']]).toEqual([
    204,
    'https://app.example',
    'authorization,x-stainless-os',
  ]);
  expect((await statusOf(server.port, { origin: 'https://app.example' }))[0]).toBe(200);
  const [refused, none] = await statusOf(
    server.port,
    { ...preflight, origin: 'https://other.example' },
    'OPTIONS',
  );
  expect([refused, none['access-control-allow-origin']]).toEqual([403, undefined]);
});

test('an open address wants a key, or that none is wanted', async () => {
  const engine = scriptedEngine();
  const start = (options: ServerOptions) => startServer(engine, { port: 0, log: () => {}, ...options });
  await expect(start({ host: '0.0.0.0' })).rejects.toThrow('--host 0.0.0.0: others would reach it');
  await expect(start({ apiKey: 'short' })).rejects.toThrow('--api-key: found 5 characters');
  await expect(start({ apiKey: 'a-long-secret', noAuth: true })).rejects.toThrow('--no-auth');
  running.push(await start({ host: '0.0.0.0', noAuth: true }));
  const { port } = running[0]!;
  await expect(start({ port })).rejects.toThrow('another program listens there');
});

test('models by id, which may have slashes, encoded or not', async () => {
  const { url } = await served({ models: [scriptedModel, { ...scriptedModel, id: 'me/en-zh' }] });
  const ids = async (path: string) => {
    type Body = { data?: { id: string }[]; id?: string; error: { code: string } };
    const body = (await (await fetch(`${url}/v1/models${path}`)).json()) as Body;
    return body.data?.map(({ id }) => id) ?? body.id ?? body.error.code;
  };
  expect(await ids('')).toEqual(['tiny', 'me/en-zh']);
  expect(await ids('/me/en-zh')).toBe('me/en-zh');
  expect(await ids('/me%2Fen-zh')).toBe('me/en-zh');
  expect(await ids('/whisper-1')).toBe('whisper-1');
  expect(await ids('/other')).toBe('model_not_found');
});

test('health is that it runs, readiness that it computes', async () => {
  const { url } = await served({ status: { ready: false, restarts: 2 } });
  const [health, ready] = [await fetch(`${url}/healthz`), await fetch(`${url}/readyz`)];
  expect([health.status, ready.status]).toEqual([200, 503]);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  for (const line of [
    'whisper_transfer_ready 0',
    'whisper_transfer_engine_restarts_total 2',
    'whisper_transfer_audio_seconds_total 4.5',
    'whisper_transfer_request_seconds_count{route="GET /readyz",status="503"} 1',
  ])
    expect(metrics.split('\n')).toContain(line);
  expect(metrics).toMatch(/nodejs_eventloop_lag_p99_seconds [\d.e-]+/);
});

test('a log line has the route, the status and the seconds of audio, nothing of the request', async () => {
  const { url, lines } = await served();
  await post(url, form({ prompt: 'secret words' }));
  await fetch(`${url}/v1/models/some-name`);
  await expect.poll(() => lines.length).toBe(2);
  expect(lines[0]).toEqual({
    id: expect.stringMatching(/^req_/),
    route: 'POST /v1/audio/transcriptions',
    status: 200,
    ms: expect.any(Number),
    audio: 1.5,
    fault: undefined,
  });
  expect(lines[1]!.route).toBe('GET /v1/models/:id');
});

test('what is no HTTP, and headers without end, are answered and closed', async () => {
  const { server } = await served();
  const raw = (text: string) =>
    new Promise<string>((resolve, reject) => {
      let answer = '';
      const socket = connect(server.port, '127.0.0.1', () => socket.write(text));
      socket.on('data', (data) => {
        answer += data;
      });
      socket.on('close', () => resolve(answer.split('\r\n')[0]!));
      socket.on('error', reject);
    });
  expect(await raw('not http\r\n\r\n')).toBe('HTTP/1.1 400 Bad Request');
  expect(await raw(`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toBe(
    'HTTP/1.1 431 Request Header Fields Too Large',
  );
});

test('closing finishes what is asked', async () => {
  let finish = (): void => {};
  const { url, server } = await served({
    transcribe: () =>
      new Promise((resolve) => {
        finish = () => resolve(transcriptOf(segmentOf(' Done.', 0, 1)));
      }),
  });
  const answer = post(url, form());
  await expect.poll(() => keptFiles().length).toBe(1);
  const closed = server.close(10);
  await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  finish();
  expect((await answer).json.text).toBe('Done.');
  await closed;
});

test('what a killed server left is removed by the next one, and nothing else', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'uploads-'));
  // No process has this id.
  const left = join(parent, 'whisper-transfer-serve-4194999-abcdef');
  const others = ['whisper-transfer-serve-1-abcdef', 'something-else'];
  mkdirSync(join(left, 'deep'), { recursive: true });
  for (const name of others) mkdirSync(join(parent, name));
  const uploads = await Uploads.create(parent);
  const second = await Uploads.create(parent);
  expect(existsSync(left)).toBe(false);
  for (const folder of [uploads.folder, second.folder, ...others.map((name) => join(parent, name))])
    expect(existsSync(folder)).toBe(true);
  await uploads.close();
  await second.close();
  expect(readdirSync(parent).sort()).toEqual(others.sort());
});

test('the page and its files, each asked for again only where it changed', async () => {
  const { url } = await served({}, { apiKey: 'a-long-secret' });
  const page = await fetch(url);
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  const [, script] = /<script type="module" src="([^"]+)"/.exec(await page.text())!;
  const first = await fetch(`${url}${script}`);
  expect(first.status).toBe(200);
  const again = await fetch(`${url}${script}`, { headers: { 'if-none-match': first.headers.get('etag')! } });
  expect(again.status).toBe(304);
});
