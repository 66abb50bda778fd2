/** The transcribe command on long recordings, on stops in the middle, and on outputs that cannot be written. */
import { execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
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
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { UserError } from '../errors.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { clipOf } from './transcribe.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'transcribe-command-'));
const model = join(folder, 'model');
const long = join(folder, 'long.wav');
const short = path('samples/gcompris/en/algebra_by.opus');
beforeAll(async () => {
  await writeTinyModel(model);
  const speech = await readAudio(short);
  const samples = new Float32Array(16_000 * 300);
  for (let at = 0; at + speech.length < samples.length; at += speech.length) samples.set(speech, at);
  writeFileSync(long, wavBytes(samples));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const main = path('dist/cli/main.js');
const settings = () => ['--model', model, '--from', 'en', '--max-tokens', '30'];

function ended(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, 'transcribe', ...args, ...settings()],
      { maxBuffer: 2 ** 28 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

/** Sends the signal once `reached`; gives how the process ended. */
async function stopped(signal: NodeJS.Signals, reached: () => boolean, ...args: string[]) {
  const child = spawn(process.execPath, [main, 'transcribe', ...args, ...settings()]);
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const end = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, stderr }));
  });
  while (!reached() && child.exitCode === null) await wait(2);
  child.kill(signal);
  return end;
}

const lines = (file: string): number =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;

test('a long recording that is killed, then interrupted, resumes within itself: the end is that of one run', async () => {
  const whole = join(folder, 'whole.jsonl');
  const parts = join(folder, 'parts.jsonl');
  const kept = `${parts}.unfinished`;
  expect((await ended(long, '--results', whole)).code).toBe(0);
  expect((await stopped('SIGKILL', () => lines(kept) > 0, long, '--results', parts)).code).toBeNull();
  const before = lines(kept);
  expect(before).toBeGreaterThan(0);
  expect(lines(parts)).toBe(0);
  await stopped(
    'SIGINT',
    () => lines(kept) > before || lines(parts) > 0,
    long,
    '--results',
    parts,
    '--resume',
  );
  expect((await ended(long, '--results', parts, '--resume')).code).toBe(0);
  expect(readFileSync(parts)).toEqual(readFileSync(whole));
  expect(existsSync(kept)).toBe(false);
}, 60_000);

test('Ctrl-C: exit code 130, one line that says how far it came, and every finished file in the results', async () => {
  const results = join(folder, 'stopped.jsonl');
  const many = join(folder, 'many');
  mkdirSync(many);
  for (let i = 0; i < 400; i++) copyFileSync(short, join(many, `${i}.opus`));
  const { code, stderr } = await stopped('SIGINT', () => lines(results) > 8, many, '--results', results);
  expect(code).toBe(130);
  const [, count] = /stopped after (\d+) of 400 files; --resume continues\n$/.exec(stderr) ?? [];
  expect(Number(count)).toBeGreaterThanOrEqual(8);
  expect(lines(results)).toBeGreaterThanOrEqual(Number(count));
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(existsSync(`${results}.lock`)).toBe(false);
}, 60_000);

test('segments of a long recording are printed as they come, the same text as in the end', async () => {
  const { stdout, stderr } = await ended(long, '--format', 'srt');
  const json = JSON.parse((await ended(long, '--format', 'srt', '--json')).stdout);
  const { formatTranscript } = await import('../decoding/formats/transcript-formats.ts');
  expect(stdout).toBe(formatTranscript(json, 'srt'));
  expect(stderr).toMatch(/00:05:00 of 00:05:00 {2}in /);
}, 60_000);

test('a place that cannot be written is the error of its file alone, names may be as long as the system allows', async () => {
  const own = join(folder, 'names');
  const out = join(own, 'out');
  mkdirSync(join(out, `a${'.txt'}`), { recursive: true });
  const longest = `${'n'.repeat(246)}.opus`;
  for (const name of ['a.opus', 'b.opus', longest]) copyFileSync(short, join(own, name));
  const { code, stderr } = await ended(
    ...['a.opus', 'b.opus', longest].map((name) => join(own, name)),
    ...['--format', 'txt', '--output', out],
  );
  expect(code).toBe(2);
  expect(stderr).toMatch(/a\.txt: /);
  expect(stderr).toContain('1 of 3 files could not be used');
  expect(readdirSync(out).sort()).toEqual(['a.txt', 'b.txt', `${'n'.repeat(246)}.txt`]);
}, 60_000);

test.skipIf(process.getuid?.() === 0)(
  'a folder without permission is told before the model is loaded',
  async () => {
    const locked = join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    for (const args of [
      ['--results', join(locked, 'r.jsonl')],
      ['--format', 'txt', '--output', join(locked, 'out')],
    ]) {
      const { code, stderr } = await ended(short, ...args, '--model', 'nowhere');
      expect(code).toBe(2);
      expect(stderr).toContain(locked);
    }
  },
);

test('a clip has the times of the recording, channels have a transcript each', async () => {
  const left = await readAudio(short);
  const stereo = join(folder, 'call.wav');
  const bytes = wavBytes(new Float32Array(left.length * 2).map((_, i) => (i % 2 ? 0 : left[i >> 1]!)));
  // Two channels: twice the bytes a second, and a frame.
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint16(22, 2, true);
  view.setUint32(28, view.getUint32(28, true) * 2, true);
  view.setUint16(32, view.getUint16(32, true) * 2, true);
  writeFileSync(stereo, bytes);
  const call = JSON.parse((await ended(stereo, '--channels', 'separate', '--json')).stdout);
  expect(call.channels.map(({ channel }: { channel: number }) => channel)).toEqual([1, 2]);
  expect(call.channels[0].text).not.toBe('');
  // The other one is silent.
  expect(call.channels[1].text).toBe('');
  expect(call.segments.every(({ channel }: { channel: number }) => channel === 1)).toBe(true);
  const clip = JSON.parse((await ended(long, '--clip', '1:00-1:04', '--json')).stdout);
  expect(clip.duration).toBe(4);
  for (const { start, end } of clip.segments) {
    expect(start).toBeGreaterThanOrEqual(60);
    expect(end).toBeLessThanOrEqual(64);
  }
}, 60_000);

test.each([
  ['10:00-20:00', { from: 600, to: 1200 }],
  ['90-120.5', { from: 90, to: 120.5 }],
  ['1:10:00-', { from: 4200 }],
  ['-0:30', { from: 0, to: 30 }],
])('--clip %s', (value, expected) => {
  expect(clipOf(value)).toEqual(expected);
});

test.each(['', '-', '10', '20-10', '5-5', 'a-b', '1:2:3:4-', '10 to 20'])('--clip %s is refused', (value) => {
  expect(() => clipOf(value)).toThrow(UserError);
});
