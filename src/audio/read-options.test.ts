/** Parts of a recording, its channels, its length by the headers. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { readChannels } from '../testing/read-channels.ts';
import { audioDuration, readAudio } from './audio-file.ts';
import { readAudioSource } from './audio-source.ts';
import { headerSeconds } from './header-seconds.ts';
import { wavBytes } from './wav-write.ts';

const FIXTURES = fileURLToPath(new URL('./fixtures/', import.meta.url));
const { files }: { files: string[] } = JSON.parse(readFileSync(join(FIXTURES, 'fixtures.json'), 'utf8'));
const SAMPLES = fileURLToPath(new URL('../../samples/gcompris/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'read-options-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** 16-bit PCM; `samples` are interleaved. */
function wav(samples: Float32Array, channels: number, rate = 16_000): Buffer {
  const bytes = wavBytes(samples, rate);
  bytes.writeUInt16LE(channels, 22);
  bytes.writeUInt32LE(2 * channels * rate, 28);
  bytes.writeUInt16LE(2 * channels, 32);
  return bytes;
}

async function failing(reading: Promise<unknown>): Promise<string> {
  const error = await reading.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message.replace(`${folder}/`, '');
}

describe('a part of a recording', () => {
  test.each(files)('%s: bit by bit what the whole has there', async (name) => {
    const path = join(FIXTURES, name);
    const whole = await readAudio(path);
    for (const [from, to] of [
      [0, 0.1],
      [0.05, 0.2],
      [0.1234, 9],
      [0.2, undefined],
    ] as const) {
      expect(await readAudio(path, { from, to })).toEqual(
        whole.slice(Math.round(from * 16_000), to && Math.round(to * 16_000)),
      );
    }
  });

  test('of a file of five hours, of which the whole is refused', async () => {
    const bytes = wavBytes(Float32Array.from({ length: 8000 }, Math.random), 8000);
    bytes.writeUInt32LE(0, 40); // a length that the writer did not know
    const path = file('long.wav', bytes);
    truncateSync(path, 5 * 3600 * 16_000); // the rest is a hole: no disk is used
    expect(await failing(readAudio(path))).toContain('more than 4 hours');
    expect((await readAudio(path, { from: 1, to: 61 })).length).toBe(60 * 16_000);
    expect(await audioDuration(path)).toBeCloseTo(5 * 3600, 1);
  });

  test('that begins behind the end: one line says how long the recording is', async () => {
    const path = file('short.wav', wavBytes(new Float32Array(24_000)));
    expect(await failing(readAudio(path, { from: 600, to: 1200 }))).toBe(
      'short.wav: found a recording of 1.5 s; expected a longer one: the clip begins at 600 s',
    );
    expect(await failing(readAudio(path, { from: 1.5 }))).toContain('found a recording of 1.5 s');
    for (const [from, to] of [
      [2, 1],
      [1, 1],
      [-1, 1],
      [Number.NaN, 1],
      [0, Number.NaN],
    ]) {
      expect(await failing(readAudio(path, { from, to }))).toContain('found a clip from');
    }
  });

  test('of a Blob, of samples, of samples with a rate', async () => {
    const samples = Float32Array.from({ length: 16_000 }, (_, i) => Math.fround(Math.sin(i / 9) / 2));
    const blob = new Blob([wavBytes(samples)]);
    expect((await readAudioSource(blob, { from: 0.25, to: 0.5 })).length).toBe(4000);
    expect(await readAudioSource(samples, { from: 0.25, to: 0.5 })).toEqual(samples.slice(4000, 8000));
    expect((await readAudioSource({ samples, sampleRate: 8000 }, { from: 0.25, to: 0.5 })).length).toBe(4000);
    expect(await failing(readAudioSource(samples, { channel: 1 }))).toContain(
      'samples: found 1 channel; expected at least 2',
    );
  });
});

describe('channels', () => {
  const frames = 20_000;
  const interleaved = (channels: number) =>
    Float32Array.from({ length: frames * channels }, (_, i) => ((i % channels) + 1) / 10);

  test('each for itself in one pass, or one of them, or their mean', async () => {
    const path = file('two.wav', wav(interleaved(2), 2, 8000));
    const separate = await readChannels(path);
    expect(separate.map(({ length }) => length)).toEqual([40_000, 40_000]);
    expect(separate.map((channel) => channel[20_000]!.toFixed(3))).toEqual(['0.100', '0.200']);
    for (const [i, channel] of separate.entries()) {
      expect(await readAudio(path, { channel: i })).toEqual(channel);
    }
    expect(await readAudio(path, { channel: 'mix' })).toEqual(await readAudio(path));
    expect((await readChannels(path, { from: 1, to: 2 }))[1]).toEqual(separate[1]!.slice(16_000, 32_000));
    expect(await failing(readAudio(path, { channel: 2 }))).toBe(
      'two.wav: found 2 channels; expected at least 3',
    );
    expect((await readChannels(new Blob([readFileSync(path)]))).length).toBe(2);
    expect((await readChannels(new Float32Array(100))).length).toBe(1);
  });

  test('a mono MP3 has one channel, a stereo MP3 two', async () => {
    expect((await readChannels(join(FIXTURES, '22k.mp3'))).length).toBe(1);
    expect((await readChannels(join(FIXTURES, '44k-stereo.mp3'))).length).toBe(2);
    expect((await readChannels(join(FIXTURES, '16k-six-channels.flac'))).length).toBe(6);
  });

  test('too many to read them separately', async () => {
    const path = file('many.wav', wav(interleaved(17), 17));
    expect((await readAudio(path)).length).toBe(frames);
    expect(await failing(readChannels(path))).toBe(
      'many.wav: found 17 channels; expected at most 16 to read them separately',
    );
  });
});

describe('length by the headers', () => {
  const ofBytes = (bytes: Uint8Array) => {
    let reads = 0;
    const read = async (at: number, length: number) => {
      reads++;
      return bytes.subarray(at, at + length);
    };
    return headerSeconds({ size: bytes.length, read }).then((seconds) => ({ seconds, reads }));
  };
  // Every seventh of the recordings, so that all languages have some.
  const clips = ['en', 'fr', 'ca'].flatMap((language) =>
    readdirSync(join(SAMPLES, language))
      .filter((_, i) => i % 7 === 0)
      .map((name) => join(SAMPLES, language, name)),
  );

  test.each([
    ...files.map((name) => join(FIXTURES, name)),
    ...clips,
  ])('%s: as long as it decodes, in few reads', async (path) => {
    const { seconds, reads } = await ofBytes(readFileSync(path));
    expect(Math.abs(seconds! * 16_000 - (await readAudio(path)).length)).toBeLessThanOrEqual(0.5);
    expect(reads).toBeLessThan(5);
    expect(await audioDuration(path)).toBe(seconds);
  });

  test.each(files)('%s cut off: no header is trusted beyond the end of the file', async (name) => {
    const bytes = readFileSync(join(FIXTURES, name));
    for (const part of [0.95, 0.6]) {
      const path = file(`cut-${name}`, bytes.subarray(0, bytes.length * part));
      const length = await readAudio(path).then(
        (samples) => samples.length,
        () => 0,
      );
      if (length === 0) await expect(audioDuration(path)).rejects.toBeInstanceOf(UserError);
      else
        expect(Math.abs((await audioDuration(path)) * 16_000 - length), `${part}`).toBeLessThanOrEqual(600);
    }
  });
});
