/** The engine in a process of its own: results, several models, the queue, and what happens when the process dies. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { transcribeFiles } from '../decoding/transcribe-files.ts';
import type { LiveEvent } from '../live/events.ts';
import { baseModel } from '../testing/base-model.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { type Engine, EngineUnavailable, type SpeechRequest } from './engine.ts';
import { startEngine } from './engine-process.ts';

const sentence = (name: string) =>
  fileURLToPath(new URL(`../../samples/gcompris/en/${name}.opus`, import.meta.url));
const asking = (
  model: string,
  name = 'babymatch',
  options: SpeechRequest['options'] = {},
): SpeechRequest => ({
  ...{ model, task: 'transcribe', audio: sentence(name), options },
});

let folder: string;
let tiny: ReadonlyMap<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'engine-'));
  const names = ['one', 'two', 'three'];
  for (const [i, name] of names.entries()) await writeTinyModel(join(folder, name), {}, i + 1);
  tiny = new Map(names.map((name) => [name, join(folder, name)]));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Children of this process that compute. */
const childOf = (engine: Engine): number => {
  const all = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  const found = all.split('\n').filter((line) => line.includes('serve/process.js'));
  expect(found, `${engine.models.length} models`).toHaveLength(1);
  return Number.parseInt(found[0]!, 10);
};

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 20));
}

test('texts, segments and live text of the embedded model are those of the library', async () => {
  const engine = await startEngine({ models: new Map([['base', embeddedModel]]) });
  try {
    expect(engine.models[0]).toMatchObject({ id: 'base', target: 'en', englishFirst: false });
    expect(engine.models[0]!.languages).toContain('fr');
    const segments: string[] = [];
    const request = asking('base', 'babymatch', { timestamps: true, words: true });
    const result = await engine.transcribe(request, { onSegment: ({ text }) => segments.push(text) });
    const [expected] = await listOf(
      transcribeFiles(await baseModel(), [{ audio: request.audio }], request.options),
    );
    expect(result).toEqual(expected);
    expect(segments.join('')).toBe(result.segments.map(({ text }) => text).join(''));

    const stream = await engine.live({ model: 'base', task: 'transcribe', from: 'en' });
    expect(engine.status().streams).toBe(1);
    const samples = await readAudio(sentence('babymatch'));
    for (let at = 0; at < samples.length; at += 8000) stream.push(samples.slice(at, at + 8000));
    stream.end();
    const events: LiveEvent[] = await listOf(stream.events);
    const texts = events.flatMap((event) => (event.type === 'utterance' ? [event.text] : []));
    expect(texts.join(' ')).toMatch(/match/i);
    expect(engine.status().streams).toBe(0);
  } finally {
    await engine.close();
  }
});

test('kill -9 of the process: those who wait are told to ask again, streams end, and another process answers', async () => {
  const notes: string[] = [];
  const engine = await startEngine({ models: tiny, onNote: (note) => notes.push(note) });
  try {
    const stream = await engine.live({ model: 'one', task: 'transcribe', from: 'en' });
    const waiting = Array.from({ length: 3 }, () => engine.transcribe(asking('one')));
    const results = Promise.allSettled([...waiting, listOf(stream.events)]);
    process.kill(childOf(engine), 'SIGKILL');
    for (const result of await results)
      expect(result).toMatchObject({ status: 'rejected', reason: { reason: 'down' } });
    expect(engine.status()).toMatchObject({ ready: false, restarts: 1, requests: 0, streams: 0 });
    await expect(engine.transcribe(asking('one'))).rejects.toMatchObject({ reason: 'down' });
    await until(() => engine.status().ready);
    expect((await engine.transcribe(asking('one'))).duration).toBeGreaterThan(2);
    expect(notes).toEqual([expect.stringContaining('SIGKILL')]);
  } finally {
    await engine.close();
  }
});

test('beyond the limit a request is refused at once, with a time to ask again; who aborts makes room', async () => {
  const engine = await startEngine({ models: tiny, limit: 2, streamLimit: 1 });
  try {
    const stop = new AbortController();
    const first = engine.transcribe(asking('one'), { signal: stop.signal });
    const second = engine.transcribe(asking('one'));
    const refused = await engine.transcribe(asking('one')).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(EngineUnavailable);
    expect(refused).toMatchObject({ reason: 'busy', retryAfter: expect.any(Number) });
    expect((refused as EngineUnavailable).retryAfter).toBeGreaterThan(0);
    stop.abort(new Error('hung up'));
    await expect(first).rejects.toThrow('hung up');
    await Promise.all([second, engine.transcribe(asking('one'))]);
    const stream = await engine.live({ model: 'one', task: 'transcribe', from: 'en' });
    await expect(engine.live({ model: 'one', task: 'transcribe' })).rejects.toMatchObject({ reason: 'busy' });
    stream.close();
    (await engine.live({ model: 'one', task: 'transcribe', from: 'en' })).close();
  } finally {
    await engine.close();
  }
});

test('models are loaded on demand and share the limit of memory: the least recently used makes room', async () => {
  const bytes = 16 * 1_000_000; // a tiny model has less than a million weights
  const engine = await startEngine({ models: tiny, memory: 2 * bytes });
  try {
    expect(engine.status().loaded).toEqual(['one']);
    const ids = [...tiny.keys()];
    const results = await Promise.all(ids.map((id) => engine.transcribe(asking(id))));
    expect(new Set(results.map(({ text }) => text)).size).toBe(3);
    await engine.transcribe(asking('one'));
    await until(() => engine.status().loaded.length === 2);
    expect(engine.status().loaded).toContain('one');
    await expect(startEngine({ models: tiny, memory: 1000 })).rejects.toThrow('--memory');
  } finally {
    await engine.close();
  }
});

test('an unused model leaves memory, and comes back when it is asked for', async () => {
  const engine = await startEngine({ models: tiny, unloadAfter: 0.3 });
  try {
    await engine.transcribe(asking('two'));
    await until(() => engine.status().loaded.length === 0);
    expect((await engine.transcribe(asking('two'))).duration).toBeGreaterThan(2);
  } finally {
    await engine.close();
  }
});

test('errors of the request name no file of the machine; those of a folder come at the start', async () => {
  const engine = await startEngine({ models: tiny });
  try {
    const audio = join(folder, 'absent.wav');
    const error = await engine.transcribe({ ...asking('one'), audio }).catch((error: unknown) => error);
    expect(error).toMatchObject({ name: 'UserError', message: expect.stringContaining('the recording') });
    expect((error as Error).message).not.toContain(folder);
  } finally {
    await engine.close();
  }
  await expect(startEngine({ models: new Map([['none', folder]]) })).rejects.toThrow('config.json');
});

test('at the end what was asked is finished; nothing new is taken', async () => {
  const engine = await startEngine({ models: tiny });
  const last = engine.transcribe(asking('one'));
  const closed = engine.close(60);
  await expect(engine.transcribe(asking('one'))).rejects.toMatchObject({ reason: 'down' });
  expect((await last).duration).toBeGreaterThan(2);
  await closed;
});
