/**
 * Forms and messages that nobody would send on purpose: whatever comes, the answer is no fault of the server's, nothing of it
 * stays on the disk, and memory stays. `npm run fuzz:serve` tries many more.
 */
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { scriptedEngine, WordStream } from '../testing/scripted-engine.ts';
import type { RequestLine } from './request-log.ts';
import { type RunningServer, startServer } from './server.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 150);
const MAX_UPLOAD = 50_000;

let server: RunningServer;
/** Bytes that are held before anything was asked; other tests may have been in the process. */
let before: number;
const lines: RequestLine[] = [];
const faults = (): (string | undefined)[] => lines.flatMap(({ fault }) => fault ?? []);

beforeAll(async () => {
  const engine = scriptedEngine({
    live: async (asked) => new WordStream(asked),
    status: { streamLimit: 1000 },
  });
  server = await startServer(engine, {
    port: 0,
    log: (line) => lines.push(line),
    limits: { maxUpload: MAX_UPLOAD, timeout: 20 },
  });
  before = heldBytes();
});
afterAll(() => server.close(1));

/** What is still held after garbage collection: the memory of the process is what its busiest moment took. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const keptFiles = (): string[] =>
  readdirSync(tmpdir())
    .filter((name) => name.startsWith(`whisper-transfer-serve-${process.pid}-`))
    .flatMap((name) => readdirSync(join(tmpdir(), name)));

const NAMES = [
  ...['file', 'model', 'language', 'prompt', 'response_format', 'temperature', 'stream', 'to_language'],
  ...['timestamp_granularities[]', 'include[]', 'vad_filter', '', '__proto__', 'constructor', 'file[]'],
];
const VALUES = [
  ...[
    '',
    'whisper-1',
    'tiny',
    'en',
    'auto',
    '<|zh|>',
    'json',
    'verbose_json',
    'srt',
    'diarized_json',
    'true',
  ],
  ...['0', '1', 'NaN', '1e999', 'word', 'logprobs', '\u0000', '../../etc/passwd', '￿', 'null'],
];
const name = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...NAMES) }, fc.string({ maxLength: 150 }));
const value = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...VALUES) }, fc.string({ maxLength: 300 }));
const filename = fc.option(
  fc.oneof(
    fc.constantFrom('a.wav', '', '../../x', '/etc/passwd', 'C:\\x', '\u202e.wav', '%00', '"'),
    fc.string(),
  ),
  { nil: undefined },
);
const part = fc.record({
  name,
  filename,
  type: fc.option(
    fc.constantFrom('audio/wav', 'application/octet-stream', 'text/plain; charset=utf-7', ';;', 'x/\u0001'),
    {
      nil: undefined,
    },
  ),
  content: fc.oneof(
    value.map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    fc.integer({ min: 0, max: 80_000 }).map((length) => Buffer.alloc(length, 65)),
  ),
});
const boundary = fc.oneof(
  fc.constantFrom('x', '--', '-'.repeat(70), 'a'.repeat(3000), '\'"', 'x; y', 'ü'),
  fc.stringMatching(/^[\w'()+,./:=?-]{1,70}$/),
);

/** A form, as right as its parts, or with bytes of it changed, left out or cut off. */
const form = fc.record({
  parts: fc.array(part, { maxLength: 6 }),
  boundary,
  quoted: fc.boolean(),
  stated: fc.boolean(),
  damage: fc.array(
    fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.integer({ min: 0, max: 255 }) }),
    {
      maxLength: 3,
    },
  ),
  cut: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
  piece: fc.integer({ min: 1, max: 20_000 }),
  translations: fc.boolean(),
});

type Form = typeof form extends fc.Arbitrary<infer T> ? T : never;

function bytesOf({ parts, boundary, damage, cut }: Form): Buffer {
  const pieces = parts.flatMap(({ name, filename, type, content }) => [
    Buffer.from(
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}` +
        `${type === undefined ? '' : `\r\ncontent-type: ${type}`}\r\n\r\n`,
    ),
    content,
    Buffer.from('\r\n'),
  ]);
  const whole = Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
  for (const { at, byte } of damage) whole[Math.min(whole.length - 1, Math.floor(at * whole.length))] = byte;
  return whole.subarray(0, Math.ceil(cut * whole.length));
}

function answerTo(
  body: Buffer,
  path: string,
  headers: Record<string, string>,
  piece: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { port: server.port, path, method: 'POST', headers, agent: false },
      (response) => {
        response.resume();
        response.on('close', () => {
          outgoing.destroy();
          resolve(response.statusCode!);
        });
      },
    );
    // The server may answer, and close, before it has all.
    outgoing.on('error', (error: NodeJS.ErrnoException) =>
      /ECONNRESET|EPIPE/.test(error.code ?? '') ? resolve(0) : reject(error),
    );
    for (let at = 0; at < body.length; at += piece) outgoing.write(body.subarray(at, at + piece));
    outgoing.end();
  });
}

test('forms', async () => {
  await fc.assert(
    fc.asyncProperty(form, async (given) => {
      const body = bytesOf(given);
      const named = given.quoted ? `"${given.boundary}"` : given.boundary;
      const headers = {
        'content-type': Buffer.from(`multipart/form-data; boundary=${named}`).toString('latin1'),
        ...(given.stated && { 'content-length': String(body.length) }),
      };
      const path = `/v1/audio/${given.translations ? 'translations' : 'transcriptions'}`;
      const status = await answerTo(body, path, headers, given.piece);
      expect([0, 200, 400, 404, 408, 413]).toContain(status);
      expect(faults()).toEqual([]);
    }),
    { numRuns: RUNS },
  );
  await expect.poll(keptFiles).toEqual([]);
});

const json = fc.jsonValue({ maxDepth: 3 });
const audio = fc.oneof(
  fc.uint8Array({ maxLength: 5000 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  fc.string(),
  json,
);
const session = fc.oneof(
  json,
  fc.record(
    {
      type: fc.oneof(fc.constantFrom('transcription', 'realtime', 'translation'), json),
      input_audio_format: json,
      input_audio_transcription: json,
      turn_detection: json,
      audio: fc.record(
        {
          input: fc.record(
            {
              format: json,
              transcription: fc.oneof(
                json,
                fc.record({ model: fc.constantFrom('tiny', 'x'), language: fc.string() }),
              ),
              turn_detection: fc.oneof(json, fc.constant(null), fc.constant({ type: 'server_vad' })),
              noise_reduction: json,
            },
            { requiredKeys: [] },
          ),
          output: fc.oneof(json, fc.record({ language: fc.constantFrom('de', 'zh', 'klingon', '') })),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  ),
);
const event = fc.record(
  {
    type: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.constantFrom(
          ...[
            'session.update',
            'transcription_session.update',
            'input_audio_buffer.append',
            'input_audio_buffer.commit',
          ],
          ...[
            'input_audio_buffer.clear',
            'session.input_audio_buffer.append',
            'session.close',
            'commit',
            'end',
          ],
        ),
      },
      json,
    ),
    event_id: json,
    session,
    audio,
  },
  { requiredKeys: ['type'] },
);
const message = fc.oneof(
  { weight: 6, arbitrary: event.map((one) => JSON.stringify(one)) },
  { weight: 1, arbitrary: fc.string() },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 5000 }).map((bytes) => Buffer.from(bytes)) },
);
const path = fc.oneof(
  fc.constantFrom(
    '/live',
    '/live?rate=44100&task=translate',
    '/v1/realtime?intent=transcription',
    '/v1/realtime/translations',
  ),
  fc.webQueryParameters().map((query) => `/live?${query}`),
  fc.webQueryParameters().map((query) => `/v1/realtime?${query}`),
);

test('messages', async () => {
  await fc.assert(
    fc.asyncProperty(path, fc.array(message, { maxLength: 30 }), fc.boolean(), async (to, messages, hard) => {
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}${to}`);
      const code = await new Promise<number>((resolve, reject) => {
        socket.on('close', resolve);
        socket.on('error', (error) => (/403|404/.test(error.message) ? resolve(1000) : reject(error)));
        socket.on('open', () => {
          for (const one of messages) socket.send(one);
          if (hard) setTimeout(() => socket.terminate(), 5);
          else socket.close(1000);
        });
      });
      expect([1000, 1001, 1005, 1006, 1008]).toContain(code);
      expect(faults()).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});

test('memory stays, and the server answers', async () => {
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  // A body or a message that stayed each time would be more: lines of the log are all that does.
  const kept = 1000 * lines.length;
  expect(heldBytes() - before).toBeLessThan(40e6 + kept);
});
