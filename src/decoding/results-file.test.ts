import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import type { KeptWindow } from './kept-window.ts';
import { ResultsFile } from './results-file.ts';
import type { Transcript } from './transcript.ts';

const folder = mkdtempSync(join(tmpdir(), 'resume-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newPath = () => join(folder, `results${files++}.jsonl`);

const settings = { model: 'base', beam: 5, timestamps: true };
const result = (audio: string, text = `text of ${audio}, 你好`): Transcript => ({
  audio,
  language: 'en',
  text,
  duration: 1.5,
  averageLogProbability: -0.1,
  segments: [],
});

/** A run over `audio`; gives what it computed, and stops before recording number `stopAt`. */
async function run(
  path: string,
  audio: string[],
  { resume = true, stopAt = audio.length, used = settings } = {},
) {
  const results = await ResultsFile.open(path, used, resume);
  const computed = audio.filter((name) => !results.get(name)).slice(0, stopAt);
  for (const name of computed) await results.add(result(name));
  if (stopAt === audio.length) await results.finish(audio);
  return computed;
}

const named = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).audio);

const message = async (path: string, used = settings) => {
  const before = readFileSync(path);
  const error = await ResultsFile.open(path, used, true).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain('\n');
  expect(readFileSync(path)).toEqual(before);
  return (error as Error).message.replace(path, 'FILE');
};

test('a line is the settings and the result', async () => {
  const path = join(folder, 'new/folder/r.jsonl');
  expect(await run(path, ['a.wav', 'b.wav'])).toEqual(['a.wav', 'b.wav']);
  const lines = readFileSync(path, 'utf8').split('\n');
  expect(lines).toHaveLength(3);
  expect(JSON.parse(lines[0]!)).toEqual({ settings, ...result('a.wav') });
  expect((await ResultsFile.open(path, settings, true)).get('./b.wav')).toEqual(result('b.wav'));
  expect(readdirSync(join(folder, 'new/folder'))).toEqual(['r.jsonl']);
});

test('cut off at any byte of the last two lines: what is whole is kept, the rest is computed, the end is the same', async () => {
  const path = newPath();
  const audio = ['a.wav', 'b.wav', 'c.wav', 'é.wav'];
  await run(path, audio);
  const whole = readFileSync(path);
  const starts = [0, ...[...whole.keys()].filter((i) => whole[i] === 10).map((i) => i + 1)];
  for (let length = starts[2]!; length <= whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length));
    const kept = starts.filter((start) => start > 0 && start <= length).length;
    expect(await run(path, audio), `${length} bytes`).toEqual(audio.slice(kept));
    expect(readFileSync(path)).toEqual(whole);
  }
});

test('cut off within the first line', async () => {
  const path = newPath();
  await run(path, ['a.wav']);
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length));
    expect(await run(path, ['a.wav'])).toEqual(['a.wav']);
    expect(readFileSync(path)).toEqual(whole);
  }
});

test('stopped between results, and stopped again', async () => {
  const path = newPath();
  const audio = ['a.wav', 'b.wav', 'c.wav', 'd.wav'];
  expect(await run(path, audio, { stopAt: 1 })).toEqual(['a.wav']);
  expect(await run(path, audio, { stopAt: 2 })).toEqual(['b.wav', 'c.wav']);
  expect(named(path)).toEqual(['a.wav', 'b.wav', 'c.wav']);
  expect(await run(path, audio)).toEqual(['d.wav']);
  expect(named(path)).toEqual(audio);
});

test('in the end the order is that of the input, and results of other recordings stay', async () => {
  const path = newPath();
  await run(path, ['d.wav', 'b.wav', 'x.wav']);
  expect(await run(path, ['a.wav', 'b.wav', 'c.wav', 'd.wav'])).toEqual(['a.wav', 'c.wav']);
  expect(named(path)).toEqual(['a.wav', 'b.wav', 'c.wav', 'd.wav', 'x.wav']);
});

test('failures are tried again', async () => {
  const path = newPath();
  const results = await ResultsFile.open(path, settings, true);
  await results.add({ audio: 'a.wav', error: 'a.wav: found no such file' });
  await results.add(result('b.wav'));
  await results.finish(['a.wav', 'b.wav']);
  expect(named(path)).toEqual(['a.wav', 'b.wav']);
  expect(await run(path, ['a.wav', 'b.wav'])).toEqual(['a.wav']);
  expect(named(path)).toEqual(['a.wav', 'b.wav']);
});

test('windows of a long recording are kept until it is finished, also by a run over others', async () => {
  const path = newPath();
  const window = (audio: string, part: number): KeptWindow => ({
    ...{ audio, part, sound: 'abc', window: 0 },
    result: { segments: [], next: 480_000, lastSpeech: part, trusted: true },
  });
  const stopped = await ResultsFile.open(path, settings, true);
  await stopped.windows.add([window('long.wav', 0), window('short.wav', 0), window('long.wav', 1)]);
  await run(path, ['short.wav']);
  expect(existsSync(`${path}.unfinished`)).toBe(true);
  const { windows } = await ResultsFile.open(path, settings, true);
  expect(windows.get(window('short.wav', 0))).toBeUndefined();
  expect(windows.get(window('./long.wav', 1))?.result.lastSpeech).toBe(1);
  await run(path, ['long.wav']);
  expect(existsSync(`${path}.unfinished`)).toBe(false);
});

test('without resume the file begins empty', async () => {
  const path = newPath();
  await run(path, ['a.wav', 'b.wav']);
  expect(await run(path, ['b.wav'], { resume: false })).toEqual(['b.wav']);
  expect(named(path)).toEqual(['b.wav']);
});

describe('what is refused stays as it is', () => {
  test('results with other settings', async () => {
    const path = newPath();
    await run(path, ['a.wav']);
    expect(await message(path, { ...settings, beam: 1 })).toBe(
      'FILE:1: found results with beam 5; expected 1 as in this run, or another file for it',
    );
    expect(await message(path, { ...settings, to: 'zh' } as never)).toContain(
      'with to not set; expected "zh"',
    );
    const { beam: _, ...fewer } = settings;
    expect(await message(path, fewer as never)).toContain('with beam 5; expected not set');
  });

  test('another kind of file', async () => {
    const path = newPath();
    const refused = async (content: string | Uint8Array) => {
      writeFileSync(path, content);
      return message(path);
    };
    expect(await refused('{"audio":"a.wav"}\n')).toBe(
      'FILE:1: found "{\\"audio\\":\\"a.wav\\"}"; expected a result of an earlier run to go on from',
    );
    expect(await refused('my only notes, no line break')).toContain('found "my only notes, no line break"');
    expect(await refused('\n')).toContain('FILE:1: found ""');
    expect(await refused(new Uint8Array([255, 254, 0, 10]))).toContain('FILE:1');
    await run(newPath(), ['a.wav']);
    const line = JSON.stringify({ settings, ...result('a.wav') });
    expect(await refused(`${line}\n${line.slice(0, 60)}\n${line}\n`)).toContain('FILE:2');
    expect(await refused('{"settings":{}}\n')).toContain('FILE:1');
  });

  test('a folder', async () => {
    const path = join(folder, 'folder.jsonl');
    mkdirSync(path);
    for (const resume of [true, false]) {
      await expect(ResultsFile.open(path, settings, resume)).rejects.toThrow(UserError);
    }
  });
});
