/** Recordings that several ask for at the same time: together, fairly, and each as if it were alone. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { joinSamples } from '../audio/join-samples.ts';
import { baseModel } from '../testing/base-model.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type DecodedGroup, type SharedOptions, SharedTranscription } from './shared-transcription.ts';
import { transcribeFiles } from './transcribe-files.ts';
import type { Transcript } from './transcript.ts';

const sentence = (name: string, language = 'en') =>
  fileURLToPath(new URL(`../../samples/gcompris/${language}/${name}.opus`, import.meta.url));

let model: WhisperModel;
let folder: string;
/** More than a minute: about fifteen pieces. */
let long: Float32Array;
beforeAll(async () => {
  model = await baseModel();
  folder = await mkdtemp(join(tmpdir(), 'shared-'));
  const names = ['algebra_by', 'algebra_minus', 'algebra_plus', 'algorithm', 'babymatch', 'ballcatch'];
  const parts = await Promise.all(names.map((name) => readAudio(sentence(name))));
  const once = parts.flatMap((part) => [part, new Float32Array(8_000)]);
  long = joinSamples([...once, ...once]);
  expect(long.length / 16_000).toBeGreaterThan(60);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function sharing() {
  const groups: DecodedGroup[] = [];
  const shared = new SharedTranscription(
    () => undefined,
    (group) => groups.push(group),
  );
  return { shared, groups };
}

async function alone(audio: string, options: SharedOptions): Promise<Transcript> {
  for await (const result of transcribeFiles(model, [{ audio }], options)) return result as Transcript;
  throw new Error('no result');
}

const facts = ({ language, text, segments }: Transcript) => ({
  language,
  text,
  tokens: segments.map(({ tokens }) => tokens),
  words: segments.map(({ words }) => words?.map(({ text, start }) => [text, start.toFixed(1)])),
});

test('windows of several share batches, whatever their languages, prompts and timestamps; each has its own result', async () => {
  const { shared, groups } = sharing();
  const asked: [string, SharedOptions][] = [
    [sentence('algebra_by'), {}],
    [sentence('algebra_by', 'fr'), {}],
    [sentence('babymatch'), { words: true, from: 'en' }],
    [sentence('ballcatch'), { prompt: 'Computer games for children.' }],
    [sentence('maze', 'fr'), { task: 'translate', timestamps: true }],
    // Other searches have batches of their own.
    [sentence('algorithm'), { beams: 2 }],
  ];
  const together = await Promise.all(
    asked.map(([audio, options]) => shared.transcribe(model, { audio }, options)),
  );
  for (const [i, [audio, options]] of asked.entries()) {
    expect(facts(together[i]!)).toEqual(facts(await alone(audio, options)));
  }
  expect(groups.reduce((sum, { windows }) => sum + windows, 0)).toBe(asked.length);
  expect(groups.length).toBeLessThan(asked.length);
});

test('a sentence that comes while a long recording runs is done before it; both are whole', async () => {
  const { shared, groups } = sharing();
  const ends: string[] = [];
  const segments: string[] = [];
  let short: Promise<Transcript> | undefined;
  const onSegment: SharedOptions['onSegment'] = ({ text }) => {
    segments.push(text);
    short ??= shared.transcribe(model, { audio: sentence('maze') }, {}).then((result) => {
      ends.push('short');
      return result;
    });
  };
  const result = await shared.transcribe(model, { audio: long }, { onSegment });
  ends.push('long');
  expect(ends).toEqual(['short', 'long']);
  expect(segments.join('')).toBe(result.segments.map(({ text }) => text).join(''));
  expect((await short)!.text).toMatch(/arrows/i);
  expect(result.text.match(/balloon/gi)!.length).toBeGreaterThan(3);
  // A group is small, so that nobody waits long.
  expect(groups.length).toBeGreaterThan(3);
});

test('who aborts leaves the queue, and the others go on', async () => {
  const { shared, groups } = sharing();
  const stop = new AbortController();
  const aborted = shared.transcribe(
    model,
    { audio: long },
    { signal: stop.signal, onSegment: () => stop.abort(new Error('hung up')) },
  );
  await expect(aborted).rejects.toThrow('hung up');
  const before = groups.length;
  const { text } = await shared.transcribe(model, { audio: sentence('algebra_by') }, {});
  expect(text).toMatch(/numbers/);
  expect(groups.length - before).toBeLessThanOrEqual(2);
});

test('a recording that cannot be read, or an option that the model does not know, is an error of that request alone', async () => {
  const { shared } = sharing();
  const notAudio = join(folder, 'notes.wav');
  await writeFile(notAudio, 'these are words, not samples');
  const [bad, unknown, good] = await Promise.allSettled([
    shared.transcribe(model, { audio: notAudio }, {}),
    shared.transcribe(model, { audio: sentence('maze') }, { from: 'xx' }),
    shared.transcribe(model, { audio: sentence('maze') }, {}),
  ]);
  expect(bad).toMatchObject({ status: 'rejected', reason: { name: 'UserError' } });
  expect(unknown).toMatchObject({ status: 'rejected', reason: { name: 'UserError' } });
  expect(good.status).toBe('fulfilled');
});

test('where decoding one of a group fails, the others of the group do not', async () => {
  const { shared } = sharing();
  const broken = { words: true };
  const real = model.alignmentProgram.bind(model);
  model.alignmentProgram = async () => {
    throw new Error('broken');
  };
  try {
    const [failed, ...others] = await Promise.allSettled([
      shared.transcribe(model, { audio: sentence('maze') }, broken),
      shared.transcribe(model, { audio: sentence('algebra_by') }, {}),
      shared.transcribe(model, { audio: sentence('babymatch') }, {}),
    ]);
    expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'broken' } });
    expect(others.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
  } finally {
    model.alignmentProgram = real;
  }
});
