/** What sockets do, over real ones; live decoding is scripted: each second of sound is a word, and a pause ends an utterance. */
import type { IncomingHttpHeaders } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import WebSocket from 'ws';
import { Resampler } from '../audio/resample.ts';
import { type Script, scriptedEngine, scriptedModel, WordStream } from '../testing/scripted-engine.ts';
import { EngineUnavailable } from './engine.ts';
import { PcmStream } from './pcm-stream.ts';
import type { RequestLine } from './request-log.ts';
import { type RunningServer, type ServerOptions, startServer } from './server.ts';

const running: RunningServer[] = [];
const opened: WebSocket[] = [];
afterEach(async () => {
  for (const socket of opened.splice(0)) socket.terminate();
  for (const server of running.splice(0)) await server.close(1);
});

async function served(script: Script = {}, options: ServerOptions = {}) {
  const streams: WordStream[] = [];
  const engine = scriptedEngine({
    models: [scriptedModel, { ...scriptedModel, id: 'first', englishFirst: true }],
    live: async (request) => {
      const stream = new WordStream(request);
      streams.push(stream);
      return stream;
    },
    ...script,
  });
  const lines: RequestLine[] = [];
  const server = await startServer(engine, { port: 0, log: (line) => lines.push(line), ...options });
  running.push(server);
  return { engine, streams, lines, server, url: server.url.replace('http', 'ws') };
}

// biome-ignore lint/suspicious/noExplicitAny: messages of a server, compared with what they should be
type Json = Record<string, any>;

/** A socket with what it received. */
class Client {
  readonly received: Json[] = [];
  readonly closed: Promise<[number, string]>;
  readonly opened: Promise<void>;
  readonly socket: WebSocket;

  constructor(url: string, protocols: string[] = [], headers: IncomingHttpHeaders = {}) {
    this.socket = new WebSocket(url, protocols, { headers: headers as Record<string, string> });
    opened.push(this.socket);
    this.socket.on('message', (data) => this.received.push(JSON.parse(String(data))));
    this.closed = new Promise((resolve) =>
      this.socket.on('close', (code, reason) => resolve([code, String(reason)])),
    );
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', () => resolve());
      this.socket.on('error', reject);
    });
    this.opened.catch(() => {});
  }

  send(message: object | Uint8Array): void {
    this.socket.send(message instanceof Uint8Array ? message : JSON.stringify(message));
  }

  of(type: string): Json[] {
    return this.received.filter((one) => one.type === type);
  }

  types(): string[] {
    return this.received.map(({ type }) => type);
  }
}

const silence = (seconds: number, rate: number): Buffer => Buffer.alloc(Math.round(seconds * rate) * 2);
const base64 = (seconds: number): string => silence(seconds, 24_000).toString('base64');
/** The resampler holds a little back until more comes. */
const A_BIT = 0.1;

test('/live: sound in, events out, as they are; the end is told', async () => {
  const { url, streams, lines } = await served();
  const client = new Client(`${url}/live?model=whisper-1&task=translate&to=de&from=fr&rate=48000`);
  await client.opened;
  // Messages cut in the middle of samples.
  const sound = silence(2 + A_BIT, 48_000);
  for (let at = 0; at < sound.length; at += 4801) client.send(sound.subarray(at, at + 4801));
  await expect.poll(() => client.of('text').length).toBe(2);
  client.send({ type: 'commit' });
  await expect.poll(() => client.of('utterance').length).toBe(1);
  client.send({ type: 'end' });
  expect(await client.closed).toEqual([1000, 'the stream has ended']);
  expect(client.types()).toEqual(['speech-start', 'text', 'text', 'utterance']);
  expect(client.received[1]).toMatchObject({ text: { committed: 'word1', tentative: ' perhaps' }, lag: 0.1 });
  expect(streams[0]!.request).toEqual({ model: 'tiny', task: 'translate', from: 'fr', to: 'de' });
  expect(streams[0]!.samples).toBe(Math.round((2 + A_BIT) * 16_000));
  await expect
    .poll(() => lines[0])
    .toMatchObject({ route: 'WS /live', status: 1000, audio: expect.closeTo(2.1, 1) });
});

test.each([
  ['model=nope', /model: found "nope"; expected any of tiny, first, whisper-1/],
  ['rate=100', /rate: found "100"; expected a whole number from 8000 to 192000/],
  ['task=sing', /task: found "sing"/],
  ['from=klingon', /from: found "klingon"; expected a language/],
  ['from=de', /which tiny does not know/],
  ['policy=hope', /policy: found "hope"/],
])('/live?%s is told and closed', async (query, message) => {
  const { url, streams } = await served();
  const client = new Client(`${url}/live?${query}`);
  const [code] = await client.closed;
  expect(code).toBe(1008);
  expect(client.received).toHaveLength(1);
  expect(client.received[0]).toMatchObject({ type: 'error', message: expect.stringMatching(message) });
  expect(streams).toEqual([]);
});

test('/live: a message that is none, and an engine that is full or dies', async () => {
  const { url, streams } = await served();
  const wrong = new Client(`${url}/live`);
  await wrong.opened;
  wrong.send({ type: 'sing' });
  expect((await wrong.closed)[0]).toBe(1008);
  expect(wrong.received[0]!.message).toMatch(/expected \{"type":"commit"\}/);
  await expect.poll(() => streams[0]!.isClosed).toBe(true);
  const dying = new Client(`${url}/live`);
  await dying.opened;
  await expect.poll(() => streams.length).toBe(2);
  streams[1]!.fail(new EngineUnavailable('it starts again', 'down', 2));
  expect(await dying.closed).toEqual([1013, 'it starts again']);
  expect(dying.received[0]).toMatchObject({ type: 'error', message: 'it starts again' });
  const busy = await served({ live: () => Promise.reject(new EngineUnavailable('4 streams', 'busy', 2)) });
  expect(await new Client(`${busy.url}/live`).closed).toEqual([1013, '4 streams']);
});

test('a client that goes closes its stream; more streams than fit are told so', async () => {
  const { url, streams } = await served({ status: { streamLimit: 1 } });
  const first = new Client(`${url}/live`);
  await first.opened;
  const second = new Client(`${url}/live`);
  expect(await second.closed).toEqual([1013, expect.stringMatching(/^found 1 streams that are open/)]);
  first.socket.terminate();
  await expect.poll(() => streams[0]!.isClosed).toBe(true);
  const third = new Client(`${url}/live`);
  await third.opened;
  await expect.poll(() => streams.length).toBe(2);
});

test('sound that comes faster than it is spoken is let wait, not piled up', async () => {
  const { url, streams } = await served();
  const client = new Client(`${url}/live`);
  await client.opened;
  for (let second = 0; second < 120; second++) client.send(silence(1, 16_000));
  await expect.poll(() => streams[0]?.samples ?? 0).toBeGreaterThan(29 * 16_000);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(streams[0]!.samples).toBeLessThan(33 * 16_000);
  client.socket.terminate();
});

test('who may open a socket: other sites, other names, no key', async () => {
  const { url } = await served({}, { apiKey: 'a-long-secret' });
  const refusal = async (headers: IncomingHttpHeaders, protocols: string[] = [], path = '/live') => {
    const client = new Client(`${url}${path}`, protocols, headers);
    return client.opened.then(
      () => client.socket.protocol,
      (error: Error) => error.message,
    );
  };
  const key = { authorization: 'Bearer a-long-secret' };
  expect(await refusal({})).toMatch(/401/);
  expect(await refusal({ authorization: 'Bearer another-one' })).toMatch(/401/);
  expect(await refusal({ ...key, origin: 'https://page.example' })).toMatch(/403/);
  expect(await refusal(key, [], '/other')).toMatch(/404/);
  expect(await refusal(key)).toBe('');
  expect(await refusal({}, ['realtime', 'openai-insecure-api-key.a-long-secret'])).toBe('realtime');
  expect(await refusal({}, ['realtime', 'openai-insecure-api-key.another'])).toMatch(/401/);
});

test('realtime transcription: each utterance is an item, its text append-only', async () => {
  const { url, streams } = await served();
  const client = new Client(`${url}/v1/realtime?intent=transcription`);
  await expect
    .poll(() => client.of('session.created'))
    .toMatchObject([
      { session: { type: 'transcription', audio: { input: { transcription: { model: 'tiny' } } } } },
    ]);
  client.send({
    type: 'session.update',
    session: {
      type: 'transcription',
      audio: {
        input: {
          format: { type: 'audio/pcm', rate: 24_000 },
          transcription: { model: 'whisper-1', language: 'fr', prompt: 'Names' },
          turn_detection: { type: 'server_vad', threshold: 0.6 },
        },
      },
    },
  });
  await expect.poll(() => client.of('session.updated').length).toBe(1);
  client.send({ type: 'input_audio_buffer.append', audio: base64(1 + A_BIT) });
  client.send({ type: 'input_audio_buffer.append', audio: base64(1) });
  await expect.poll(() => client.of('conversation.item.input_audio_transcription.delta').length).toBe(2);
  client.send({ type: 'input_audio_buffer.commit' });
  client.send({ type: 'input_audio_buffer.append', audio: base64(1) });
  await expect.poll(() => client.of('conversation.item.input_audio_transcription.delta').length).toBe(3);
  client.send({ type: 'input_audio_buffer.commit' });
  await expect.poll(() => client.of('input_audio_buffer.committed').length).toBe(2);
  expect(streams[0]!.request).toEqual({ model: 'tiny', task: 'transcribe', from: 'fr', prompt: 'Names' });
  const [first, second] = client.of('input_audio_buffer.committed');
  expect([first!.previous_item_id, second!.previous_item_id]).toEqual([null, first!.item_id]);
  expect(client.types().slice(2, 8)).toEqual([
    'input_audio_buffer.speech_started',
    'conversation.item.input_audio_transcription.delta',
    'conversation.item.input_audio_transcription.delta',
    'input_audio_buffer.speech_stopped',
    'input_audio_buffer.committed',
    'conversation.item.input_audio_transcription.completed',
  ]);
  const completed = client.of('conversation.item.input_audio_transcription.completed');
  expect(completed).toMatchObject([
    { item_id: first!.item_id, transcript: 'word1 word2', usage: { type: 'duration', seconds: 2 } },
    { item_id: second!.item_id, transcript: 'word1' },
  ]);
  for (const { item_id, transcript } of completed) {
    const deltas = client
      .of('conversation.item.input_audio_transcription.delta')
      .filter((one) => one.item_id === item_id);
    expect(deltas.map(({ delta }) => delta).join('')).toBe(transcript);
  }
  expect(client.of('input_audio_buffer.speech_stopped')[1]!.audio_end_ms).toBe(3000);
  expect(new Set(client.received.map(({ event_id }) => event_id)).size).toBe(client.received.length);
});

test('realtime transcription without turn detection: an item between two commits', async () => {
  const { url, streams } = await served();
  const client = new Client(`${url}/v1/realtime?model=tiny`);
  await client.opened;
  const session = { type: 'transcription', audio: { input: { turn_detection: null } } };
  client.send({ type: 'session.update', session });
  client.send({ type: 'input_audio_buffer.commit', event_id: 'mine' });
  await expect
    .poll(() => client.of('error')[0]?.error)
    .toMatchObject({ event_id: 'mine', type: 'invalid_request_error' });
  for (let item = 0; item < 2; item++) {
    client.send({ type: 'input_audio_buffer.append', audio: base64(2 + A_BIT) });
    client.send({ type: 'input_audio_buffer.commit' });
    await expect
      .poll(() => client.of('conversation.item.input_audio_transcription.completed').length)
      .toBe(item + 1);
  }
  client.send({ type: 'input_audio_buffer.append', audio: base64(1 + A_BIT) });
  client.send({ type: 'input_audio_buffer.clear' });
  await expect.poll(() => client.of('input_audio_buffer.cleared').length).toBe(1);
  expect(streams[2]?.isClosed ?? true).toBe(true);
  expect(
    client.of('conversation.item.input_audio_transcription.completed').map((one) => one.transcript),
  ).toEqual(['word1 word2', 'word1 word2']);
  expect(client.of('input_audio_buffer.speech_started')).toEqual([]);
});

test('realtime transcription by its older names', async () => {
  const { url } = await served();
  const client = new Client(`${url}/v1/realtime?intent=transcription`, [], { 'openai-beta': 'realtime=v1' });
  await expect.poll(() => client.types()).toEqual(['transcription_session.created']);
  client.send({
    type: 'transcription_session.update',
    session: {
      input_audio_format: 'pcm16',
      input_audio_transcription: { model: 'whisper-1', language: 'en' },
    },
  });
  await expect
    .poll(() => client.of('transcription_session.updated'))
    .toMatchObject([{ session: { input_audio_transcription: { model: 'tiny', language: 'en' } } }]);
});

test('realtime: what is wrong is told with the id of its event, and the session goes on', async () => {
  const { url } = await served();
  const client = new Client(`${url}/v1/realtime?intent=transcription`);
  await client.opened;
  client.socket.send('not json');
  client.socket.send(Buffer.from([1, 2, 3]));
  client.send([]);
  for (const message of [
    { type: 'response.create' },
    { type: 'input_audio_buffer.append', audio: '!!' },
    { type: 'input_audio_buffer.append' },
    { type: 'session.update', session: { type: 'realtime' } },
    { type: 'session.update', session: { audio: { input: { format: { type: 'audio/pcmu' } } } } },
    { type: 'session.update', session: { audio: { input: { transcription: { model: 'nope' } } } } },
    { type: 'session.update', session: { audio: { input: { transcription: { language: 'klingon' } } } } },
    { type: 'session.update', session: 7 },
  ])
    client.send({ ...message, event_id: `of ${message.type}` });
  await expect.poll(() => client.of('error').length).toBe(11);
  expect(
    client
      .of('error')
      .map(({ error }) => error.event_id)
      .slice(3, 6),
  ).toEqual(['of response.create', 'of input_audio_buffer.append', 'of input_audio_buffer.append']);
  client.send({ type: 'session.update', session: {} });
  await expect.poll(() => client.of('session.updated').length).toBe(1);
});

test('realtime translation: both texts, append-only, and what was said before the end', async () => {
  const { url, streams } = await served();
  const client = new Client(`${url}/v1/realtime/translations?model=tiny`);
  await expect
    .poll(() => client.of('session.created'))
    .toMatchObject([
      {
        session: {
          type: 'translation',
          model: 'tiny',
          audio: { input: { transcription: null }, output: { language: 'zh' } },
        },
      },
    ]);
  const audio = { output: { language: 'es' }, input: { transcription: { model: 'gpt-4o-transcribe' } } };
  client.send({ type: 'session.update', session: { audio } });
  await expect
    .poll(() => client.of('session.updated'))
    .toMatchObject([{ session: { audio: { output: { language: 'es' } } } }]);
  client.send({ type: 'session.input_audio_buffer.append', audio: base64(2 + A_BIT) });
  await expect.poll(() => client.of('session.output_transcript.delta').length).toBe(2);
  // Another language from here on: another stream.
  client.send({ type: 'session.update', session: { audio: { output: { language: 'it' } } } });
  client.send({ type: 'session.input_audio_buffer.append', audio: base64(1 + A_BIT) });
  await expect.poll(() => client.of('session.output_transcript.delta').length).toBe(3);
  client.send({ type: 'session.close' });
  expect((await client.closed)[0]).toBe(1000);
  expect(client.types().at(-1)).toBe('session.closed');
  const text = (type: string) =>
    client
      .of(type)
      .map(({ delta }) => delta)
      .join('');
  expect(text('session.output_transcript.delta')).toBe('word1 word2 word1');
  expect(text('session.input_transcript.delta')).toBe('word1 word2 word1');
  expect(
    client.of('session.output_transcript.delta').map(({ elapsed_ms }) => Math.round(elapsed_ms / 100)),
  ).toEqual([10, 20, 31]);
  expect(streams.map(({ request }) => [request.task, request.to])).toEqual([
    ['translate', 'es'],
    ['transcribe', undefined],
    ['translate', 'it'],
    ['transcribe', undefined],
  ]);
});

test('realtime translation by a model that writes English first: its English is what was said', async () => {
  const { url, streams } = await served();
  const client = new Client(`${url}/v1/realtime/translations?model=first`);
  await client.opened;
  client.send({
    type: 'session.update',
    session: { audio: { input: { transcription: { model: 'whisper-1' } } } },
  });
  client.send({ type: 'session.input_audio_buffer.append', audio: base64(1 + A_BIT) });
  await expect
    .poll(() => client.types().slice(2))
    .toEqual(['session.input_transcript.delta', 'session.output_transcript.delta']);
  expect(client.received[2]!.delta).toBe('WORD1');
  expect(streams).toHaveLength(1);
});

test('an engine that dies fails the open item, and the socket is closed for later', async () => {
  const { url, streams } = await served();
  const client = new Client(`${url}/v1/realtime?intent=transcription`);
  await client.opened;
  client.send({ type: 'input_audio_buffer.append', audio: base64(1 + A_BIT) });
  await expect.poll(() => client.of('conversation.item.input_audio_transcription.delta').length).toBe(1);
  streams[0]!.fail(new EngineUnavailable('it starts again', 'down', 2));
  expect(await client.closed).toEqual([1013, 'it starts again']);
  expect(client.types().slice(-2)).toEqual(['conversation.item.input_audio_transcription.failed', 'error']);
});

test('a server that closes lets sessions say the rest', async () => {
  const { url, server } = await served();
  const client = new Client(`${url}/live`);
  await client.opened;
  client.send(silence(1, 16_000));
  await expect.poll(() => client.of('text').length).toBe(1);
  const closing = server.close(5);
  expect((await client.closed)[0]).toBe(1000);
  expect(client.types().at(-1)).toBe('utterance');
  await closing;
});

test('sound cut into messages of any length is what it is in one', () => {
  const samples = Int16Array.from({ length: 24_000 }, (_, i) => 20_000 * Math.sin(i / 7));
  const bytes = Buffer.from(samples.buffer);
  const whole = new Resampler(24_000, 16_000);
  const expected = [
    ...whole.push(Float32Array.from(samples, (value) => value / 32_768)),
    whole.finish(),
  ].flatMap((part) => [...part]);
  const stream = new PcmStream(24_000);
  const parts: number[] = [];
  for (let at = 0, length = 1; at < bytes.length; at += length, length = (length * 7 + 3) % 997) {
    for (const part of stream.push(bytes.subarray(at, at + length)))
      for (const value of part) parts.push(value);
  }
  for (const value of stream.finish()) parts.push(value);
  expect(parts).toEqual(expected);
});
