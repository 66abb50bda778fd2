import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { UserError } from '../errors.ts';
import { audioDuration, readAudio } from './audio-file.ts';
import { decodeAudio } from './decode-audio.ts';

const FIXTURES = fileURLToPath(new URL('./fixtures/', import.meta.url));
const about: { madeBy: string; frequency: number; amplitude: number; seconds: number; files: string[] } =
  JSON.parse(readFileSync(join(FIXTURES, 'fixtures.json'), 'utf8'));

const folder = mkdtempSync(join(tmpdir(), 'audio-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const fixture = (name: string) => readFileSync(join(FIXTURES, name));

/** Sine of the fixtures' frequency in the middle of the sound: amplitude, delay in samples, and what else there is. */
function fitSine(samples: Float32Array) {
  const angle = (i: number) => (2 * Math.PI * about.frequency * i) / 16_000;
  const [from, to] = [480, 3520]; // whole periods, away from the fades
  let [sine, cosine] = [0, 0];
  for (let i = from; i < to; i++) {
    sine += (samples[i]! * Math.sin(angle(i)) * 2) / (to - from);
    cosine += (samples[i]! * Math.cos(angle(i)) * 2) / (to - from);
  }
  let rest = 0;
  for (let i = from; i < to; i++) {
    rest = Math.max(rest, Math.abs(samples[i]! - sine * Math.sin(angle(i)) - cosine * Math.cos(angle(i))));
  }
  return { amplitude: Math.hypot(sine, cosine), delay: -Math.atan2(cosine, sine) / angle(1), rest };
}

describe(`every format, rate, width and channel count gives the same sine (${about.madeBy})`, () => {
  test.each(about.files)('%s', async (name) => {
    const samples = await readAudio(join(FIXTURES, name));
    expect(samples.length).toBe(about.seconds * 16_000);
    const { amplitude, delay, rest } = fitSine(samples);
    const lossy = /ogg|opus|mp3/.test(name);
    const tolerance = lossy ? 0.03 : name.startsWith('pcm8') ? 0.005 : 1e-4;
    expect(Math.abs(amplitude - about.amplitude)).toBeLessThan(tolerance);
    expect(rest).toBeLessThan(tolerance);
    // Opus codes 16 kHz sound with a delay of its own of a fraction of a sample.
    expect(Math.abs(delay)).toBeLessThan(lossy ? 1 : 1e-3);
  });
});

const others: { madeBy: string; samples: Readonly<Record<string, number>> } = JSON.parse(
  readFileSync(join(FIXTURES, 'other-programs/fixtures.json'), 'utf8'),
);

const TOLERANCES: readonly [names: RegExp, tolerance: number][] = [
  [/ima|ms/, 0.1],
  [/ogg|ogv|opus|mp3/, 0.04],
  [/law/, 0.02],
  [/./, 0.005],
];

describe(`what other programs write, and what stands around it or is joined to it (${others.madeBy})`, () => {
  test.each(Object.entries(others.samples))('%s', async (name, length) => {
    const path = join(FIXTURES, 'other-programs', name);
    const samples = await readAudio(path);
    expect(Math.abs(samples.length - length)).toBeLessThanOrEqual(1);
    expect(Math.abs((await audioDuration(path)) * 16_000 - samples.length)).toBeLessThanOrEqual(1);
    // Without an info frame, the 1105 samples that encoder and decoder add before the sound stay.
    const added = { 'lame-no-info.mp3': 802, 'ffmpeg-mp3.wav': 2210 }[name] ?? 0;
    const parts = [samples.subarray(added, added + 4000)];
    if (/joined|chained/.test(name)) parts.push(samples.subarray(-4000));
    const [, tolerance] = TOLERANCES.find(([names]) => names.test(name))!;
    for (const part of parts) {
      const { amplitude, delay, rest } = fitSine(part);
      expect(Math.abs(amplitude - about.amplitude)).toBeLessThan(tolerance);
      expect(Math.abs(delay)).toBeLessThan(1);
      expect(rest).toBeLessThan(tolerance);
    }
  });
});

test('a stream of Buffers in small pieces gives the same samples as a file, and leaves them as they are', async () => {
  const names = [...about.files, ...Object.keys(others.samples).map((name) => `other-programs/${name}`)];
  for (const name of names) {
    const bytes = fixture(name);
    const before = Buffer.from(bytes);
    const pieces = (async function* () {
      for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777);
    })();
    expect(await decodeAudio('stream', pieces), name).toEqual(await readAudio(join(FIXTURES, name)));
    expect(bytes.equals(before), name).toBe(true);
  }
}, 30_000);

test('the name of a file does not matter, its content does', async () => {
  copyFileSync(join(FIXTURES, '22k.mp3'), join(folder, 'clip.wav'));
  expect(await readAudio(join(folder, 'clip.wav'))).toEqual(await readAudio(join(FIXTURES, '22k.mp3')));
});

interface WavHeader {
  codec?: number;
  channels?: number;
  rate?: number;
  bits?: number;
  frameBytes?: number;
  dataBytes?: number;
}

function wavHeader(samplesBytes: number, given: WavHeader = {}): Buffer {
  const { codec = 1, channels = 1, rate = 16_000, bits = 16 } = given;
  const { frameBytes = (channels * bits) / 8, dataBytes = samplesBytes } = given;
  const header = Buffer.alloc(44);
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + samplesBytes, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(codec, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE((rate * frameBytes) >>> 0, 28);
  header.writeUInt16LE(frameBytes, 32);
  header.writeUInt16LE(bits, 34);
  header.write('data', 36);
  header.writeUInt32LE(dataBytes, 40);
  return header;
}

const wav = (samples: Uint8Array, given?: WavHeader) =>
  Buffer.concat([wavHeader(samples.length, given), samples]);
const bytesOf = (samples: Float32Array) => new Uint8Array(samples.buffer);

test('a clip of 10 ms is a clip', async () => {
  const samples = await readAudio(
    file('short.wav', wav(bytesOf(new Float32Array(160).fill(0.25)), { codec: 3, bits: 32 })),
  );
  expect(samples).toEqual(new Float32Array(160).fill(0.25));
});

test('what is louder than full scale is clipped', async () => {
  const loud = wav(bytesOf(Float32Array.of(2, -3, Number.POSITIVE_INFINITY, 0.5)), { codec: 3, bits: 32 });
  expect(await readAudio(file('loud.wav', loud))).toEqual(Float32Array.of(1, -1, 1, 0.5));
});

test('a WAV whose header does not know its length is read to its end', async () => {
  const samples = Buffer.alloc(3200, 1);
  for (const dataBytes of [0, 0xffff_ffff]) {
    expect((await readAudio(file('pipe.wav', wav(samples, { dataBytes })))).length).toBe(1600);
  }
});

test('a WAV longer than one block, blocks ending within a sample', async () => {
  const noise = Float32Array.from({ length: 100_003 }, (_, i) => Math.sin(i * i));
  const pcm24 = Buffer.alloc(noise.length * 3);
  noise.forEach((sample, i) => pcm24.writeIntLE(Math.round(sample * 8_388_607), i * 3, 3));
  const read = await readAudio(file('long.wav', wav(pcm24, { bits: 24 })));
  expect(read.length).toBe(noise.length);
  expect(read.every((sample, i) => Math.abs(sample - noise[i]!) < 1e-6)).toBe(true);
});

test('a file that is cut off gives what is whole', async () => {
  const flac = fixture('speech.flac');
  const whole = await readAudio(join(FIXTURES, 'speech.flac'));
  const cut = await readAudio(file('cut.flac', flac.subarray(0, flac.length * 0.7)));
  expect(cut.length).toBeGreaterThan(4000);
  expect(cut).toEqual(whole.subarray(0, cut.length));
  const half = fixture('pcm16-16k.wav').subarray(0, 44 + 4001);
  expect((await readAudio(file('cut.wav', half))).length).toBe(2000);
  const mp3 = fixture('44k-stereo.mp3');
  expect((await readAudio(file('cut.mp3', mp3.subarray(0, 2000)))).length).toBeGreaterThan(1000);
});

describe('what cannot be read is told in one line with the name', () => {
  const failing = async (path: string): Promise<string> => {
    const error = await readAudio(path).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).not.toContain('\n');
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).toContain('expected');
    return (error as Error).message;
  };

  test('nothing there, a directory, a pipe, an empty file', async () => {
    expect(await failing(join(folder, 'none.wav'))).toContain('found no such file');
    mkdirSync(join(folder, 'folder.wav'));
    expect(await failing(join(folder, 'folder.wav'))).toContain('found a directory');
    expect(await failing(file('empty.wav', ''))).toContain('found an empty file');
    if (process.platform !== 'win32') {
      execFileSync('mkfifo', [join(folder, 'pipe')]);
      expect(await failing(join(folder, 'pipe'))).toContain('found a device or pipe');
    }
  });

  test('other contents', async () => {
    expect(await failing(file('text.wav', 'version https://git-lfs\noid 1'))).toContain(
      'found text ("version https://git-lfs")',
    );
    expect(await failing(file('page.mp3', '<!DOCTYPE html>'))).toContain('found text ("<!DOCTYPE html>")');
    expect(await failing(file('a.mp3', '\0\0\0\x20ftypM4A \0\0'))).toContain('found an MP4 file');
    expect(await failing(file('zeros.wav', new Uint8Array(1000)))).toContain(
      'unknown bytes (0000000000000000)',
    );
    expect(await failing(file('speex.ogg', `OggS${'\0'.repeat(24)}Speex   `))).toContain('neither Opus');
    expect(await failing(file('tag.mp3', Buffer.from('ID3\x04\0\0\0\0\0\x05aaaaa')))).toContain(
      'a tag and nothing after it',
    );
  });

  test.each([
    'speech.flac',
    '44k-stereo-vorbis.ogg',
    '16k-opus.ogg',
    '22k.mp3',
    'pcm16-16k.wav',
  ])('%s cut off before its first sound', async (name) => {
    expect(await failing(file(name, fixture(name).subarray(0, 44)))).toContain('in which nothing decodes');
  });

  test('headers that promise the absurd', async () => {
    const samples = Buffer.alloc(3200);
    const broken = (given: WavHeader) => failing(file('broken.wav', wav(samples, given)));
    expect(await broken({ rate: 1 })).toContain('found a sample rate of 1 Hz; expected 1000 to 768000');
    expect(await broken({ rate: 10_000_000 })).toContain('found a sample rate of 10000000 Hz');
    expect(await broken({ rate: 0 })).toContain('found a sample rate of 0 Hz');
    expect(await broken({ channels: 0, frameBytes: 2 })).toContain('claims 0 channels');
    expect(await broken({ channels: 65_535, bits: 8, frameBytes: 1 })).toContain('claims 65535 channels');
    expect(await broken({ frameBytes: 0 })).toContain('0 bytes for 1 channels');
    expect(await broken({ bits: 12, frameBytes: 7 })).toContain('56 bits a sample');
    expect(await broken({ codec: 17 })).toContain('claims blocks of 2 bytes for 1 channels');
    expect(await failing(file('none.wav', wavHeader(0)))).toContain('nothing decodes');
    const notANumber = wav(bytesOf(Float32Array.of(0, Number.NaN)), { codec: 3, bits: 32 });
    expect(await failing(file('nan.wav', notANumber))).toContain('a sample that is not a number at 0.00 s');
  });

  test('more hours than fit, before they are read', async () => {
    const path = join(folder, 'day.wav');
    const bytes = 25 * 3600 * 8000;
    writeSync(openSync(path, 'w'), wavHeader(bytes, { rate: 8000, bits: 8 }));
    truncateSync(path, 44 + bytes); // no disk is used: the samples are a hole
    expect(await failing(path)).toContain('found a recording of more than 4 hours');
  });
});

test('damaged files give samples or a UserError, soon, and print nothing', async () => {
  const spoken = (['log', 'warn', 'error'] as const).map((name) => vi.spyOn(console, name));
  let state = 1;
  const random = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const started = performance.now();
  for (const name of about.files) {
    for (let round = 0; round < 4; round++) {
      const bytes = fixture(name);
      // Both in the headers and anywhere.
      for (let i = 0; i < 6; i++) bytes[random(i < 3 ? 100 : bytes.length)] = random(256);
      const samples = await readAudio(file('damaged', bytes)).catch((error: unknown) => {
        expect(error, name).toBeInstanceOf(UserError);
        return new Float32Array(0);
      });
      expect(samples.every((sample) => sample >= -1 && sample <= 1)).toBe(true);
    }
  }
  expect(performance.now() - started).toBeLessThan(30_000);
  for (const spy of spoken) expect(spy).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

test('hundreds of files in a row leave no memory behind', async () => {
  const read = async (times: number) => {
    for (let i = 0; i < times; i++)
      for (const name of ['16k-opus.ogg', '48k-vorbis.ogg', '22k.mp3', '96k.flac']) {
        await readAudio(join(FIXTURES, name));
      }
    return process.memoryUsage().rss;
  };
  const before = await read(10);
  // A decoder that is not freed holds at least its WebAssembly memory: 160 of them would be hundreds of MiB.
  expect((await read(40)) - before).toBeLessThan(150 * 2 ** 20);
});
