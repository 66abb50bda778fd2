import { expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { joinSamples } from '../audio/join-samples.ts';
import { baseModel } from '../testing/base-model.ts';
import type { LiveEvent } from './events.ts';
import { type LiveOptions, LiveSession } from './session.ts';

const clips = await Promise.all(
  ['advanced_colors', 'algebra_by'].map((name) => readAudio(`samples/gcompris/en/${name}.opus`)),
);
const pause = new Float32Array(16_000);
const stream = joinSamples([clips[0]!, pause, clips[1]!, pause]);
const english: LiveOptions = { task: 'transcribe', from: 'en', interval: 1 };

/** Feeds samples block by block and does all work after each: an endlessly fast computer. */
async function fed(options: LiveOptions, samples = stream, { block = 1600, end = true } = {}) {
  const session = await LiveSession.start(await baseModel(), options);
  const events: LiveEvent[] = [];
  const work = async () => {
    while (session.hasWork) events.push(...(await session.step()));
  };
  for (let at = 0; at < samples.length; at += block) {
    session.push(samples.subarray(at, at + block));
    await work();
  }
  if (end) {
    session.end();
    await work();
    expect(session.done).toBe(true);
  }
  return events;
}

const texts = (events: readonly LiveEvent[]) =>
  events.flatMap((event) => (event.type === 'text' ? [event] : []));
const ends = (events: readonly LiveEvent[]) =>
  events.flatMap((event) => (event.type === 'utterance' ? [event] : []));
const committed = (events: readonly LiveEvent[]) =>
  texts(events)
    .map(({ text }) => text.committed)
    .join('');

for (const policy of ['local-agreement', 'alignatt'] as const) {
  test(`${policy}: text is committed while somebody speaks, and is that of the utterances in the end`, async () => {
    const events = await fed({ ...english, policy });
    const utterances = ends(events);
    expect(utterances.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^Click on the required colou?r\.$/),
      expect.stringMatching(/^Multiply the two numbers together and type in your answer before the balloon/),
    ]);
    expect(committed(events)).toBe(utterances.map(({ text }) => text).join(' '));
    const second = texts(events).filter(({ utterance }) => utterance === 2);
    const early = second.filter(({ time }) => time < utterances[1]!.end - 1);
    expect(early.map(({ text }) => text.committed).join('').length).toBeGreaterThan(30);
    // Nothing that was heard later can be in them.
    for (const { text, time, lag } of texts(events)) {
      expect(lag).toBeGreaterThanOrEqual(0);
      if (text.committed !== '') expect(time).toBeGreaterThan(1);
    }
  });
}

test('a feed that is cut leaves what was committed so far: the same as the whole one had then', async () => {
  const half = 5 * 16_000;
  const whole = await fed(english);
  const cut = await fed(english, stream.subarray(0, half), { end: false });
  const plain = (events: readonly LiveEvent[]) =>
    events.map((event) => (event.type === 'text' ? { ...event, lag: 0 } : event));
  expect(plain(cut)).toEqual(plain(whole).slice(0, cut.length));
  expect(committed(cut)).not.toBe('');
  expect(committed(whole).startsWith(committed(cut))).toBe(true);
  expect(committed(whole).length).toBeGreaterThan(committed(cut).length + 20);
});

test('silence costs no decoding', async () => {
  const model = await baseModel();
  const session = await LiveSession.start(model, english);
  const { encode } = model;
  let runs = 0;
  model.encode = (...given) => {
    runs++;
    return encode.call(model, ...given);
  };
  try {
    for (let i = 0; i < 100; i++) {
      session.push(new Float32Array(1600));
      while (session.hasWork) expect(await session.step()).toEqual([]);
    }
    expect(runs).toBe(0);
  } finally {
    model.encode = encode;
  }
});

test('who is too slow decodes each utterance once, says so, and goes back to live when it has caught up', async () => {
  const session = await LiveSession.start(await baseModel(), { ...english, behind: 4 });
  const events: LiveEvent[] = [];
  // All of it has come before the first step.
  session.push(stream);
  while (session.hasWork) events.push(...(await session.step()));
  session.push(stream.subarray(0, clips[0]!.length));
  while (session.hasWork) events.push(...(await session.step()));
  session.end();
  while (session.hasWork) events.push(...(await session.step()));
  const modes = events.flatMap((event) => (event.type === 'mode' ? [event] : []));
  expect(modes.map(({ mode, dropped }) => [mode, dropped])).toEqual([
    ['voice-cut', 0],
    ['live', 0],
  ]);
  expect(ends(events)).toHaveLength(3);
  expect(texts(events).filter(({ utterance }) => utterance === 2)).toHaveLength(1);
});

test('speech that waits too long is dropped and said to be, not queued without end', async () => {
  const session = await LiveSession.start(await baseModel(), { ...english, longestQueue: 3 });
  const events: LiveEvent[] = [];
  for (let i = 0; i < 2; i++) {
    session.push(clips[0]!);
    session.push(pause.subarray(0, 9600));
  }
  session.push(clips[0]!);
  session.end();
  while (session.hasWork) events.push(...(await session.step()));
  const dropped = events.reduce((sum, event) => sum + (event.type === 'mode' ? event.dropped : 0), 0);
  expect(dropped).toBeGreaterThan(1);
  const starts = events.filter(({ type }) => type === 'speech-start');
  expect(ends(events)).toHaveLength(starts.length);
  expect(session.done).toBe(true);
});

test('commit ends an utterance as a pause does', async () => {
  const session = await LiveSession.start(await baseModel(), english);
  session.push(clips[1]!.subarray(0, 48_000));
  session.commit();
  const events: LiveEvent[] = [];
  while (session.hasWork) events.push(...(await session.step()));
  expect(ends(events)).toHaveLength(1);
  expect(committed(events)).toMatch(/^Multiply/);
  session.end();
  for await (const event of session.events()) events.push(event);
  expect(ends(events)).toHaveLength(1);
});

test('a session is driven by its events, too', async () => {
  const session = await LiveSession.start(await baseModel(), { task: 'transcribe' });
  const feeding = (async () => {
    for (let at = 0; at < stream.length; at += 8000) {
      session.push(stream.subarray(at, at + 8000));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    session.end();
  })();
  const events: LiveEvent[] = [];
  for await (const event of session.events()) events.push(event);
  await feeding;
  expect(ends(events).map(({ language }) => language)).toEqual(['en', 'en']);
  expect(committed(events)).toContain('two numbers together');
});

test('samples and the end that come while a step listens are not lost', async () => {
  const session = await LiveSession.start(await baseModel(), english);
  session.push(clips[1]!.subarray(0, 1600));
  const listening = session.step();
  session.push(clips[1]!.subarray(1600));
  session.end();
  const events = await listening;
  while (session.hasWork) events.push(...(await session.step()));
  expect(session.done).toBe(true);
  expect(ends(events).map(({ text }) => text)).toEqual([expect.stringMatching(/^Multiply.*water\.$/)]);
});
