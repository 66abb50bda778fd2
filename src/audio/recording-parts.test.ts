import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { sfc32, uniform } from '../random.ts';
import { audioDuration, readAudio, readInBlocks } from './audio-file.ts';
import { partReference } from './audio-reference.ts';
import { SAMPLE_RATE } from './sample-rate.ts';
import { wavBytes } from './wav-write.ts';

const folder = mkdtempSync(join(tmpdir(), 'parts-'));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = (path: string) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)));

/** Long recordings: joined files are one to MP3, FLAC and Ogg. */
const repeated = (path: string, times: number): Buffer => Buffer.concat(Array(times).fill(fixture(path)));

const bits = sfc32(7);
const random = () => uniform(bits);
function noise(seconds: number, rate: number): Buffer {
  const samples = new Float32Array(seconds * rate).map(
    (_, i) => 0.4 * Math.sin(i / 9) + 0.2 * (random() - 0.5),
  );
  return wavBytes(samples, rate);
}

const LONG: readonly (readonly [name: string, bytes: () => Buffer])[] = [
  ...[8000, 16_000, 22_050, 44_100, 48_000].map((rate) => [`${rate}.wav`, () => noise(12, rate)] as const),
  ['stereo.wav', () => stereo(noise(8, 44_100))],
  ['talk.flac', () => repeated('audio/fixtures/44k-stereo.flac', 40)],
  ['talk.mp3', () => repeated('audio/fixtures/44k-stereo.mp3', 40)],
  ['talk.opus', () => repeated('audio/fixtures/48k-stereo.opus', 40)],
];

/** The header of a WAV, changed to two channels. */
function stereo(wav: Buffer): Buffer {
  wav.writeUInt16LE(2, 22);
  wav.writeUInt32LE(4 * 44_100, 28);
  wav.writeUInt16LE(4, 32);
  return wav;
}

test.each(
  LONG,
)('parts in any order, together, are slices of the whole, bit by bit: %s', async (name, bytes) => {
  const file = join(folder, name);
  writeFileSync(file, bytes());
  const whole = await readAudio(file);
  const seconds = whole.length / SAMPLE_RATE;
  const parts = Array.from({ length: 24 }, (_, i) => {
    const from = i === 0 ? 0 : random() * seconds * 0.95;
    return { from, to: i === 1 ? seconds : Math.min(seconds, from + 0.05 + random()) };
  });
  const read = await Promise.all(parts.map((part) => readAudio(partReference(file, part))));
  for (const [i, { from, to }] of parts.entries()) {
    // As the reference has them.
    const [begin, end] = [from, to].map((time) => Math.round(Number(time.toFixed(6)) * SAMPLE_RATE));
    const slice = whole.subarray(begin, end);
    expect(Buffer.from(read[i]!.buffer).equals(Buffer.from(slice.slice().buffer)), `${from} to ${to}`).toBe(
      true,
    );
  }
  const blocks: Float32Array[] = [];
  for await (const [block] of readInBlocks(`${file}#t=0.5,1.5`, {})) blocks.push(block!);
  expect(Buffer.concat(blocks.map((block) => Buffer.from(block.slice().buffer)))).toEqual(
    Buffer.from(whole.slice(0.5 * SAMPLE_RATE, 1.5 * SAMPLE_RATE).buffer),
  );
});

test.each(['16000.wav', 'talk.mp3'])('a part beyond the end is said: %s', async (name) => {
  const file = join(folder, name);
  const seconds = await audioDuration(file);
  const damages: string[] = [];
  const samples = await readAudio(`${file}#t=${seconds - 1},${seconds + 1}`, {
    onDamage: (damage) => damages.push(damage),
  });
  expect(samples.length).toBe(Math.round(seconds * SAMPLE_RATE) - Math.round((seconds - 1) * SAMPLE_RATE));
  expect(damages).toEqual(['cut off: 1.0 of 2.0 s']);
  await expect(readAudio(`${file}#t=${seconds + 1},${seconds + 2}`)).rejects.toThrow(
    /: found a recording of [\d.]+ s; expected a longer one: the clip begins at [\d.]+ s$/,
  );
});

test('a recording that has changed is read anew', async () => {
  const file = join(folder, 'changed.mp3');
  writeFileSync(file, repeated('audio/fixtures/44k-stereo.mp3', 20));
  const before = await readAudio(`${file}#t=1,2`);
  writeFileSync(file, repeated('audio/fixtures/22k.mp3', 20));
  expect((await readAudio(`${file}#t=1,2`)).some((sample, i) => sample !== before[i])).toBe(true);
});
