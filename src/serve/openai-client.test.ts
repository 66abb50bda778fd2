/** Contract: OpenAI's own client, changed by nothing but the address, over the model that comes with the package. */
import { createReadStream, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import OpenAI, { toFile } from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { Resampler } from '../audio/resample.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { UserError } from '../errors.ts';
import { type Script, scriptedEngine } from '../testing/scripted-engine.ts';
import { selfSigned } from '../testing/self-signed.ts';
import { type Engine, EngineUnavailable } from './engine.ts';
import { startEngine } from './engine-process.ts';
import type { RequestLine } from './request-log.ts';
import { type RunningServer, type ServerOptions, startServer } from './server.ts';

const samples = fileURLToPath(new URL('../../samples/gcompris/', import.meta.url));
const ENGLISH = `${samples}en/advanced_colors.opus`;
const WORDS = /click on the required colou?r/i;
const KEY = 'a-long-secret';

let engine: Engine;
let server: RunningServer;
let client: OpenAI;
const audio = () => createReadStream(ENGLISH);

beforeAll(async () => {
  engine = await startEngine({ models: new Map([['base', embeddedModel]]), threads: 1 });
  server = await startServer(engine, { port: 0, apiKey: KEY, log: () => {} });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: KEY });
});
afterAll(async () => {
  await server.close(5);
  await engine.close(5);
});

const others: RunningServer[] = [];
afterEach(async () => {
  for (const one of others.splice(0)) await one.close(1);
});

/** A server over an engine that says what a test wants, and a client of it. */
async function scripted(script: Script, options: ServerOptions = {}) {
  const lines: RequestLine[] = [];
  const own = await startServer(scriptedEngine(script), {
    port: 0,
    log: (line) => lines.push(line),
    ...options,
  });
  others.push(own);
  return { lines, own, client: new OpenAI({ baseURL: `${own.url}/v1`, apiKey: KEY }) };
}

test('models: the list, each, and one that is not served', async () => {
  const { data } = await client.models.list();
  expect(data).toMatchObject([{ id: 'base', object: 'model', owned_by: 'whisper-transfer' }]);
  expect(data[0]!.created).toBeGreaterThan(1_600_000_000);
  expect(await client.models.retrieve('whisper-1')).toMatchObject({ id: 'whisper-1' });
  await expect(client.models.retrieve('gpt-4o')).rejects.toThrow(OpenAI.NotFoundError);
});

test('each format of a transcription', async () => {
  const of = (response_format: 'json' | 'text' | 'srt' | 'vtt') =>
    client.audio.transcriptions.create({ file: audio(), model: 'whisper-1', response_format });
  const json = (await of('json')) as OpenAI.Audio.Transcription;
  expect(json.text).toMatch(WORDS);
  expect(json.usage).toEqual({ type: 'duration', seconds: 2 });
  expect(await of('text')).toMatch(WORDS);
  expect(await of('srt')).toMatch(/^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n.*required colou?r/i);
  expect(await of('vtt')).toMatch(/^WEBVTT\n\n00:0\d\.\d{3} --> 00:0\d\.\d{3}\n.*required colou?r/i);
});

test('verbose JSON: segments, words, or both, in the types of the client', async () => {
  const of = (...timestamp_granularities: ('word' | 'segment')[]) =>
    client.audio.transcriptions.create({
      file: audio(),
      model: 'base',
      language: 'en',
      response_format: 'verbose_json',
      timestamp_granularities,
    });
  const both = await of('word', 'segment');
  expect(both).toMatchObject({ task: 'transcribe', language: 'english', duration: expect.closeTo(1.88, 1) });
  expect(both.words!.map(({ word }) => word).join(' ')).toMatch(WORDS);
  let before = 0;
  for (const { start, end } of both.words!) {
    expect(start).toBeGreaterThanOrEqual(before);
    expect(end).toBeGreaterThanOrEqual(start);
    before = start;
  }
  const [segment] = both.segments!;
  expect(segment).toEqual({
    id: 0,
    seek: expect.any(Number),
    start: expect.any(Number),
    end: expect.any(Number),
    text: expect.stringMatching(WORDS),
    tokens: expect.arrayContaining([expect.any(Number)]),
    temperature: 0,
    avg_logprob: expect.any(Number),
    compression_ratio: expect.any(Number),
    no_speech_prob: expect.any(Number),
  });
  expect((await of('word')).segments).toBeUndefined();
  expect((await of('segment')).words).toBeUndefined();
});

test('a stream: deltas are the text, and the iteration ends', async () => {
  const stream = await client.audio.transcriptions.create({
    file: audio(),
    model: 'whisper-1',
    stream: true,
  });
  let text = '';
  const types: string[] = [];
  for await (const event of stream) {
    types.push(event.type);
    if (event.type === 'transcript.text.delta') text += event.delta;
    if (event.type === 'transcript.text.done') expect(event.text).toBe(text);
  }
  expect(text).toMatch(WORDS);
  expect(types.at(-1)).toBe('transcript.text.done');
});

test('log probabilities: the tokens joined are the text', async () => {
  const { text, logprobs } = await client.audio.transcriptions.create({
    file: audio(),
    model: 'base',
    include: ['logprobs'],
  });
  const bytes = Buffer.from(logprobs!.flatMap(({ bytes }) => bytes!));
  expect(bytes.toString().trim()).toBe(text);
  for (const { logprob } of logprobs!) expect(logprob).toBeLessThanOrEqual(0);
});

test('a translation', async () => {
  const file = createReadStream(`${samples}fr/advanced_colors.opus`);
  const { text } = await client.audio.translations.create({ file, model: 'whisper-1' });
  expect(text).toMatch(/colou?r/i);
  const verbose = await client.audio.translations.create({
    file: audio(),
    model: 'whisper-1',
    response_format: 'verbose_json',
  });
  expect(verbose).toMatchObject({ language: 'english', segments: [{ id: 0 }] });
});

test('a file without a name, from memory', async () => {
  const file = await toFile(readFileSync(ENGLISH));
  const { text } = await client.audio.transcriptions.create({ file, model: 'whisper-1' });
  expect(text).toMatch(WORDS);
});

test('sound that cannot be read is called by the name that the client gave it', async () => {
  const file = await toFile(Buffer.from('no sound at all'), 'talk.wav');
  const unread = {
    status: 400,
    param: 'file',
    message: expect.stringMatching(/^400 talk.wav: found text/),
  };
  const asked = { file, model: 'whisper-1' } as const;
  await expect(client.audio.transcriptions.create(asked)).rejects.toMatchObject(unread);
  await expect(client.audio.transcriptions.create({ ...asked, stream: true })).rejects.toMatchObject(unread);
});

test('bad sound and bad fields are one call each, and say what is wrong', async () => {
  const { client: own, lines } = await scripted({
    transcribe: ({ audio }) => Promise.reject(new UserError(`${audio}: found text; expected audio`)),
  });
  const file = () => toFile(Buffer.from('no sound at all'), 'talk.wav');
  const error = await own.audio.transcriptions
    .create({ file: await file(), model: 'whisper-1' })
    .catch((error: unknown) => error);
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect(error).toMatchObject({
    message: '400 talk.wav: found text; expected audio',
    param: 'file',
    requestID: lines[0]!.id,
  });
  await expect(own.audio.transcriptions.create({ file: await file(), model: 'other' })).rejects.toMatchObject(
    {
      status: 404,
      code: 'model_not_found',
    },
  );
  await expect(
    own.audio.transcriptions.create({ file: await file(), model: 'tiny', temperature: 9 }),
  ).rejects.toThrow(OpenAI.BadRequestError);
  expect(lines.map(({ status }) => status)).toEqual([400, 404, 400]);
});

test('each class of error', async () => {
  const { own } = await scripted({}, { apiKey: 'another-secret' });
  const stranger = new OpenAI({ baseURL: `${own.url}/v1`, apiKey: KEY });
  await expect(stranger.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
  const page = new OpenAI({
    baseURL: `${server.url}/v1`,
    apiKey: KEY,
    defaultHeaders: { origin: 'https://page.example' },
  });
  await expect(page.models.list()).rejects.toThrow(OpenAI.PermissionDeniedError);
  const large = await scripted({}, { limits: { maxUpload: 1000 } });
  await expect(
    large.client.audio.transcriptions.create({
      file: await toFile(Buffer.alloc(5000), 'a.wav'),
      model: 'tiny',
    }),
  ).rejects.toMatchObject({ status: 413, type: 'server_error', code: null });
  const gone = new OpenAI({ baseURL: 'http://127.0.0.1:9/v1', apiKey: KEY, maxRetries: 0 });
  await expect(gone.models.list()).rejects.toThrow(OpenAI.APIConnectionError);
});

test('a busy and a restarting server are asked again, as often as the client does, then it works', async () => {
  let calls = 0;
  const { client: own, lines } = await scripted({
    transcribe: async () => {
      if (++calls === 1) throw new EngineUnavailable('full', 'busy', 0);
      if (calls === 2) throw new EngineUnavailable('it starts again', 'down', 0);
      return {
        audio: '',
        language: 'en',
        text: 'At last.',
        duration: 1,
        averageLogProbability: 0,
        segments: [],
      };
    },
  });
  // What is read from a disk the client does not send twice.
  const file = await toFile(readFileSync(ENGLISH), 'clip.opus');
  const { text } = await own.audio.transcriptions.create({ file, model: 'whisper-1' });
  expect(text).toBe('At last.');
  await expect.poll(() => lines.map(({ status }) => status)).toEqual([429, 503, 200]);
  const broken = await scripted({ transcribe: () => Promise.reject(new TypeError('a bug')) });
  await expect(broken.client.audio.transcriptions.create({ file, model: 'whisper-1' })).rejects.toThrow(
    OpenAI.InternalServerError,
  );
  // The same would fail again: the client is told not to ask.
  expect(broken.lines).toHaveLength(1);
});

test('realtime transcription over wss', async () => {
  const { cert, key } = selfSigned();
  const own = await startServer(engine, { port: 0, tls: { cert, key }, apiKey: KEY, log: () => {} });
  others.push(own);
  const secure = new OpenAI({ baseURL: `${own.url}/v1`, apiKey: KEY });
  const realtime = new OpenAIRealtimeWS({ model: 'whisper-1', options: { ca: cert } }, secure);
  const errors: string[] = [];
  realtime.on('error', (error) => errors.push(error.message));
  let text = '';
  realtime.on('conversation.item.input_audio_transcription.delta', ({ delta }) => {
    text += delta;
  });
  const completed = new Promise<string>((resolve) =>
    realtime.on('conversation.item.input_audio_transcription.completed', ({ transcript }) =>
      resolve(transcript),
    ),
  );
  await new Promise<void>((resolve) => realtime.on('session.created', () => resolve()));
  const transcription = { model: 'base', language: 'en' };
  realtime.send({
    type: 'session.update',
    session: { type: 'transcription', audio: { input: { transcription, turn_detection: null as never } } },
  });
  const resampler = new Resampler(16_000, 24_000);
  const samples = [...resampler.push(await readAudio(ENGLISH)), resampler.finish()].flatMap((part) => [
    ...part,
  ]);
  const sound = Buffer.from(Int16Array.from(samples, (sample) => 32_767 * sample).buffer);
  // 200 ms each, as OpenAI advises.
  for (let at = 0; at < sound.length; at += 9600) {
    const piece = sound.subarray(at, at + 9600).toString('base64');
    realtime.send({ type: 'input_audio_buffer.append', audio: piece });
  }
  realtime.send({ type: 'input_audio_buffer.commit' });
  expect(await completed).toMatch(WORDS);
  expect(text.trimEnd()).toBe(await completed);
  expect(errors).toEqual([]);
  realtime.close();
});
