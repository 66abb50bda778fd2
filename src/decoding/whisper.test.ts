/** The class that most programs use: recordings of every kind in, results one by one or all of a list, aborts. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { UserError } from '../errors.ts';
import { Whisper } from './whisper.ts';

const sample = (name: string) =>
  fileURLToPath(new URL(`../../samples/gcompris/${name}.opus`, import.meta.url));
const plus = sample('en/algebra_plus');
const minus = sample('fr/algebra_minus');

let whisper: Whisper;
let server: Server;
let origin: string;
/** What `whisper` writes down for `plus`: every later test compares with it. */
let text: string;
const again = async () => (await whisper.transcribe(plus, { from: 'en' })).text;
beforeAll(async () => {
  whisper = await Whisper.load();
  text = await again();
  server = createServer(async ({ url }, response) => {
    if (url === '/slow.opus') response.write((await readFile(plus)).subarray(0, 2000));
    else if (url === '/plus.opus') response.end(await readFile(plus));
    else response.writeHead(404).end();
  }).listen(0);
  origin = `http://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await whisper?.close();
  server?.closeAllConnections();
  server?.close();
});

test('a recording is the same whichever way it comes', async () => {
  const bytes = await readFile(plus);
  const samples = await readAudio(plus);
  const { frames } = await whisper.embed(plus);
  for (const audio of [
    pathToFileURL(plus),
    new URL('/plus.opus', origin),
    new Blob([bytes]),
    new File([bytes], 'plus.opus'),
    new Blob([bytes]).stream() as ReadableStream<Uint8Array>,
    Readable.toWeb(Readable.from([bytes.subarray(0, 99), bytes.subarray(99)])) as ReadableStream<Uint8Array>,
    samples,
    { samples, sampleRate: 16_000 },
  ]) {
    const embedded = await whisper.embed(audio);
    expect(embedded.audio).toBe(audio);
    expect(embedded.frames).toEqual(frames);
  }
  const half = samples.filter((_, i) => i % 2 === 0);
  const { length } = await whisper.embed({ samples: half, sampleRate: 8_000 });
  expect(length).toBe(frames.length / 512);
});

test('a list gives its results in order, with words where they are wanted', async () => {
  const found: string[] = [];
  for await (const { audio, text: own, segments } of whisper.transcribe([plus, minus], {
    words: true,
    maxTokens: 9,
  })) {
    found.push(audio);
    expect(
      segments
        .flatMap(({ words }) => words!.map((word) => word.text))
        .join('')
        .trim(),
    ).toBe(own);
  }
  expect(found).toEqual([plus, minus]);
});

test('of a list that is still being made, what is there is done first', async () => {
  let more!: () => void;
  const wanted = new Promise<void>((resolve) => {
    more = resolve;
  });
  async function* list() {
    yield plus;
    await wanted;
    yield minus;
  }
  const results = whisper.transcribe(list(), { from: 'en' });
  expect((await results.next()).value!.text).toBe(text);
  more();
  expect((await results.next()).value!.audio).toBe(minus);
  expect((await results.next()).done).toBe(true);
});

test('translates, detects languages, and embeds into one space', async () => {
  expect(whisper.target).toBe('en');
  expect(whisper.languages).toContain('fr');
  const translated = await whisper.translate(minus, { from: 'fr' });
  expect(translated.text).toBe('and the two names and their answers before the ball falls into the water.');
  const { language, probability, probabilities } = await whisper.detectLanguage(minus);
  expect(language).toBe('fr');
  expect(probability).toBe(probabilities.get('fr'));
  const short = await whisper.transcribe(minus, { maxTokens: 1 });
  expect(short.languageProbability).toBeCloseTo(probability, 6);
  const vectors: Float32Array[] = [];
  for await (const { vector, frames, length, width } of whisper.embed([
    plus,
    sample('fr/algebra_plus'),
    minus,
  ])) {
    expect([frames.length, vector.length]).toEqual([length * width, width]);
    vectors.push(vector);
  }
  const cosine = (a: Float32Array, b: Float32Array) => {
    const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  };
  expect(cosine(vectors[0]!, vectors[1]!)).toBeGreaterThan(cosine(vectors[0]!, vectors[2]!));
});

describe('mistakes', () => {
  test('a recording that cannot be read is an error, or in a list reported to onError', async () => {
    await expect(whisper.transcribe('missing.ogg')).rejects.toThrow(/^missing\.ogg: found no such file/);
    await expect(whisper.embed(new URL('/nothing', origin))).rejects.toThrow(/nothing: found HTTP 404/);
    await expect(whisper.transcribe(new Blob(['hello there, this is text']))).rejects.toThrow(
      /^Blob: found text/,
    );
    const failed: string[] = [];
    const done: string[] = [];
    const onError = (audio: string, error: UserError) => failed.push(`${audio}|${error.name}`);
    for await (const { audio } of whisper.transcribe(['missing.ogg', plus], { onError })) done.push(audio);
    for await (const { audio } of whisper.embed(['missing.ogg', plus], { onError })) done.push(audio);
    expect(done).toEqual([plus, plus]);
    expect(failed).toEqual(['missing.ogg|UserError', 'missing.ogg|UserError']);
    await expect(async () => {
      for await (const _ of whisper.transcribe(['missing.ogg', plus]));
    }).rejects.toThrow(UserError);
  });

  test('what is no recording is a TypeError that says what is one', async () => {
    expect(() => whisper.transcribe(42 as never)).toThrow(/found 42 as a recording; expected a path/);
    await expect(async () => {
      const stream: AsyncIterable<string> = Readable.from([await readFile(plus)]);
      for await (const _ of whisper.transcribe(stream));
    }).rejects.toThrow(/Buffer as a recording.*Readable\.toWeb/);
  });

  test('a folder without a model, and a language that the model does not know', async () => {
    await expect(Whisper.load('nowhere')).rejects.toThrow(UserError);
    await expect(whisper.transcribe(plus, { from: 'xx' })).rejects.toThrow(/language "xx" has no token/);
  });

  test('a model that is closed says so; await using closes it', async () => {
    let closed: Whisper;
    {
      await using own = await Whisper.load();
      closed = own;
    }
    await expect(closed.transcribe(plus)).rejects.toThrow(new TypeError('the model is closed'));
  });
});

describe('an abort', () => {
  /** Aborts after so many milliseconds; how long the rejection took from there, and that it is the reason. */
  async function aborted(after: number, work: (signal: AbortSignal) => Promise<unknown>): Promise<number> {
    const controller = new AbortController();
    const reason = new Error('enough');
    let at = 0;
    setTimeout(() => {
      at = performance.now();
      controller.abort(reason);
    }, after);
    await expect(work(controller.signal)).rejects.toBe(reason);
    return performance.now() - at;
  }
  const tone = new Float32Array(16_000 * 10).map((_, i) => Math.sin(i / 20) / 4);
  const slow = { from: 'en', beams: 8, fallback: true };

  test('while reading is answered at once, and the next call gives the text as ever', async () => {
    const reading = (signal: AbortSignal) => whisper.transcribe(new URL('/slow.opus', origin), { signal });
    expect(await aborted(50, reading)).toBeLessThan(500);
    expect(await again()).toBe(text);
  });

  test.each([
    ['encoding', (signal?: AbortSignal) => whisper.embed(tone, { signal, window: 'full' })],
    ['decoding', (signal?: AbortSignal) => whisper.transcribe(tone, { ...slow, signal })],
  ])('while %s is answered at once, and the next call gives the text as ever', async (_, work) => {
    // In the midst of it, however fast the machine is and whatever else it does. The first run also compiles programs.
    await work();
    const started = performance.now();
    await work();
    expect(await aborted((performance.now() - started) / 4, work)).toBeLessThan(500);
    expect(await again()).toBe(text);
  });

  test('before anything began, and in the middle of a list', async () => {
    await expect(whisper.transcribe(plus, { signal: AbortSignal.abort() })).rejects.toThrow(/aborted/);
    const controller = new AbortController();
    const results = whisper.embed([plus, minus], { signal: controller.signal });
    expect((await results.next()).value!.audio).toBe(plus);
    controller.abort();
    await expect(results.next()).rejects.toThrow(/aborted/);
    expect(await again()).toBe(text);
  });

  test('while a model is loaded leaves nothing running', async () => {
    await expect(Whisper.load(undefined, { signal: AbortSignal.timeout(1) })).rejects.toThrow(/timeout/);
  });
});
