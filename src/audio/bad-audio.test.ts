// What is not quite an audio file, beyond audio-file.test.ts: it decodes, or one line says why not. Never a crash,
// never a silent loss.

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { UserError } from '../errors.ts';
import { readAudio } from './audio-file.ts';
import { readAudioSource } from './audio-source.ts';
import { detectFormat } from './formats.ts';
import { joinSamples } from './join-samples.ts';

const FIXTURES = fileURLToPath(new URL('./fixtures/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bad-audio-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const fixture = (name: string) => readFileSync(join(FIXTURES, name));

/** A WAV of one chunk `fmt ` and one `data`; `claimed` bytes of samples in the header. */
function wav(
  samples: Uint8Array,
  { codec = 1, channels = 1, rate = 16_000, bits = 16, claimed = samples.length } = {},
): Buffer {
  const header = Buffer.alloc(44);
  header.write('RIFF\0\0\0\0WAVEfmt \x10\0\0\0', 0, 'latin1');
  header.writeUInt16LE(codec, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE((rate * channels * bits) / 8, 28);
  header.writeUInt16LE((channels * bits) / 8, 32);
  header.writeUInt16LE(bits, 34);
  header.write('data', 36);
  header.writeUInt32LE(claimed, 40);
  return Buffer.concat([header, samples]);
}

async function failing(path: string): Promise<string> {
  const error = await readAudio(path).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as Error;
  expect(message).not.toContain('\n');
  expect(message).toContain(path);
  expect(message).toContain('expected');
  return message;
}

describe('WAV', () => {
  test('silence is sound', async () => {
    expect(await readAudio(file('silence.wav', wav(new Uint8Array(3200))))).toEqual(new Float32Array(1600));
  });

  test.each([
    ['A-law', 6, 'e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174'],
    ['mu-law', 7, '3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827'],
  ])('%s: all 256 values, as 16 bits the same as of audioop in Python 3.11', async (_, codec, sha256) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const samples = await readAudio(file('g711.wav', wav(bytes, { codec, bits: 8 })));
    const pcm = Buffer.from(Int16Array.from(samples, (sample) => sample * 32_768).buffer);
    expect(createHash('sha256').update(pcm).digest('hex')).toBe(sha256);
    expect(await failing(file('g711.wav', wav(bytes, { codec, bits: 16 })))).toContain('-law; expected 8)');
  });

  test('codecs that are not read have names', async () => {
    const gsm = new Blob([wav(new Uint8Array(64), { codec: 0x31, bits: 8 })]);
    const error = (await readAudioSource(gsm).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(/^Blob: found GSM 6.10 in WAV; expected audio \(WAV, /);
    expect(await failing(file('x.wav', wav(new Uint8Array(64), { codec: 999, bits: 8 })))).toContain(
      'coded as format 999',
    );
  });

  test('96 kHz, six channels: their mean, resampled', async () => {
    const frames = Float32Array.from({ length: 6 * 9600 }, (_, i) => (i % 6) / 10);
    const sound = wav(new Uint8Array(frames.buffer), { codec: 3, channels: 6, rate: 96_000, bits: 32 });
    const samples = await readAudio(file('six.wav', sound));
    expect(samples.length).toBe(1600);
    expect(samples[800]).toBeCloseTo(0.25, 4);
  });

  test.each([
    0xffff_fffe,
    0xffff_ffff,
    3 * 3600 * 32_000,
  ])('a header that promises %s bytes', async (claimed) => {
    expect((await readAudio(file('lie.wav', wav(Buffer.alloc(3200), { claimed })))).length).toBe(1600);
  });

  test('random bytes after a valid header are noise', async () => {
    const random = generator(7);
    const bytes = Uint8Array.from({ length: 5001 }, () => random(256));
    expect((await readAudio(file('random.wav', wav(bytes)))).length).toBe(2500);
  });

  test('an endless format chunk, chunks that claim to reach beyond the end', async () => {
    const bytes = wav(Buffer.alloc(3200));
    bytes.writeUInt32LE(0xffff_ffff, 16);
    expect(await failing(file('fmt.wav', bytes))).toContain('nothing decodes');
    const list = Buffer.from('RIFF\0\0\0\0WAVELIST\xff\xff\xff\xffabc', 'latin1');
    expect(await failing(file('list.wav', list))).toContain('nothing decodes');
    expect(await failing(file('text.wav', 'RIFF and WAVE are words of this text'))).toContain('expected');
  });
});

test.each([
  ['FLAC', 'speech.flac'],
  ['MP3', '22k.mp3'],
  ['Ogg Opus', '16k-opus.ogg'],
  ['Ogg Vorbis', '48k-vorbis.ogg'],
])('random bytes after a %s header', async (_, name) => {
  const random = generator(8);
  const noise = Uint8Array.from({ length: 100_000 }, () => random(256));
  const path = file('random', Buffer.concat([fixture(name).subarray(0, 1000), noise]));
  const samples = await readAudio(path).catch((error: unknown) => {
    expect(error).toBeInstanceOf(UserError);
    return new Float32Array(0);
  });
  expect(samples.length).toBeLessThan(60 * 16_000);
});

test('no FLAC frame is lost where blocks end within its header', async () => {
  const bytes = fixture('speech.flac');
  const format = detectFormat(bytes);
  if (typeof format === 'string' || !('open' in format)) throw new Error('not read as FLAC');
  const decoded = async (blocks: Uint8Array[]) => {
    const decoder = await format.open(bytes.length);
    const parts = await Promise.all([...blocks.map((block) => decoder.decode(block)), decoder.flush!()]);
    decoder.free();
    return joinSamples(parts.flat().flatMap(({ channelData }) => channelData.slice(0, 1)));
  };
  const whole = await decoded([bytes]);
  const isWhole = async (blocks: Uint8Array[]) =>
    Buffer.from((await decoded(blocks)).buffer).equals(Buffer.from(whole.buffer));
  expect(whole.length).toBeGreaterThan(10_000);
  const headers = [...bytes.keys()].filter((i) => bytes[i] === 0xff && bytes[i + 1] === 0xf8);
  expect(headers.length).toBeGreaterThan(3);
  for (const header of headers) {
    for (let cut = header - 2; cut < header + 18; cut++) {
      expect(await isWhole([bytes.subarray(0, cut), bytes.subarray(cut)]), `cut at ${cut}`).toBe(true);
    }
    const bytewise = Array.from({ length: 40 }, (_, i) => bytes.subarray(header - 20 + i, header - 19 + i));
    const blocks = [bytes.subarray(0, header - 20), ...bytewise, bytes.subarray(header + 20)];
    expect(await isWhole(blocks)).toBe(true);
  }
});

/** Whole numbers below a limit, the same for the same seed. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/**
 * `npm run fuzz:audio`: FUZZ_FILES of each kind, FUZZ_KIND only one of them ("mp3"). A failure names the FUZZ_SEED that
 * repeats it.
 */
const FILES = Number(process.env.FUZZ_FILES ?? 0);
const KIND = process.env.FUZZ_KIND;
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 1);
const SECONDS = 4;
const MAX_BYTES = 200 * 2 ** 20;

test(
  'bit flips, cuts, repeats and lost pieces: samples or a UserError, soon, and nothing printed',
  {
    timeout: FILES > 0 ? 4 * 3_600_000 : (SECONDS + 60) * 1000,
  },
  async () => {
    const spoken = (['log', 'warn', 'error'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(() => {}),
    );
    const { files }: { files: string[] } = JSON.parse(fixture('fixtures.json').toString());
    const { samples }: { samples: object } = JSON.parse(fixture('other-programs/fixtures.json').toString());
    const others = Object.keys(samples).map((name) => `other-programs/${name}`);
    const kinds = new Map<string, { name: string; bytes: Uint8Array }[]>();
    for (const name of [...files, 'speech.flac', ...others]) {
      const kind = name.slice(name.lastIndexOf('.') + 1);
      if (KIND !== undefined && KIND !== kind) continue;
      kinds.set(kind, [...(kinds.get(kind) ?? []), { name, bytes: fixture(name) }]);
    }
    const names = [...kinds.keys()];
    let [slowest, largest, decodes] = [0, 0, 0];
    const atFirst = process.memoryUsage().rss;
    const until = performance.now() + SECONDS * 1000;
    let seed = FIRST_SEED;
    const last = FIRST_SEED + FILES * names.length;
    for (; FILES > 0 ? seed < last : performance.now() < until; seed++) {
      const random = generator(Math.imul(seed, 2654435761));
      const contents = kinds.get(names[seed % names.length]!)!;
      const { name, bytes } = contents[random(contents.length)]!;
      // Written before it is read: after a crash or a hang it is there to look at.
      const path = file('fuzzed', damaged(bytes, random));
      const [started, before] = [process.cpuUsage(), process.memoryUsage().rss];
      const result = await readAudio(path).catch((error: unknown) => error);
      const what = `${name}, FUZZ_SEED=${seed}`;
      const { user, system } = process.cpuUsage(started);
      const seconds = (user + system) / 1e6;
      const grown = process.memoryUsage().rss - before;
      expect(seconds, what).toBeLessThan(2);
      expect(grown, what).toBeLessThan(MAX_BYTES);
      [slowest, largest] = [Math.max(slowest, seconds), Math.max(largest, grown)];
      if (result instanceof Float32Array) {
        decodes++;
        expect(result.length, what).toBeGreaterThan(0);
        expect(
          result.every((sample) => sample >= -1 && sample <= 1),
          what,
        ).toBe(true);
      } else {
        expect(result, what).toBeInstanceOf(UserError);
        expect((result as Error).message, what).toMatch(/^[^\n]*fuzzed: found [^\n]+; expected [^\n]+$/);
      }
      for (const spy of spoken) expect(spy, what).not.toHaveBeenCalled();
    }
    vi.restoreAllMocks();
    const grown = process.memoryUsage().rss - atFirst;
    expect(grown).toBeLessThan(1.25 * 2 ** 30);
    if (FILES > 0) {
      const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);
      console.info(
        `${FILES} files each of ${names.join(', ')}: ${decodes} decode, at most ${slowest.toFixed(2)} s, ` +
          `${megabytes(largest)} MiB; at the end ${megabytes(grown)} MiB more than at first`,
      );
    }
  },
);

/** 0, the largest ones with sign and without, a large one: in either order of bytes. */
const NUMBERS = [
  [0, 0, 0, 0],
  [255, 255, 255, 255],
  [127, 255, 255, 255],
  [255, 255, 255, 127],
  [0, 0, 0, 16],
  [16, 0, 0, 0],
];

function damaged(original: Uint8Array, random: (limit: number) => number): Uint8Array {
  let bytes = Uint8Array.from(original);
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(random(2) === 0 ? Math.min(200, bytes.length) : bytes.length);
    const length = random(200);
    switch (random(6)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << random(8);
        break;
      case 1:
        if (at < bytes.length) bytes[at] = [0, 255, random(256)][random(3)]!;
        break;
      case 2:
        bytes = bytes.subarray(0, Math.max(1, at));
        break;
      case 3: // a piece is lost
        bytes = Uint8Array.from(
          Buffer.concat([bytes.subarray(0, Math.max(1, at)), bytes.subarray(at + length)]),
        );
        break;
      case 5: // a number of four bytes, such as a length
        if (at + 4 <= bytes.length) bytes.set(NUMBERS[random(NUMBERS.length)]!, at);
        break;
      case 4: // a piece comes twice
        bytes = Uint8Array.from(Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]));
        break;
    }
  }
  return bytes;
}
