import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { audioDuration, readAudio } from '../audio-file.ts';
import { readAudioSource } from '../audio-source.ts';
import { decodeAudio } from '../decode-audio.ts';
import { heldBytes } from '../file-bytes.ts';
import { detectFormat } from '../formats.ts';
import { joinSamples } from '../join-samples.ts';
import { aacConfig, coreOfAac } from './aac-config.ts';
import { decodeTrack } from './decode-track.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/containers/', import.meta.url));
interface Golden {
  readonly madeBy: string;
  /** Distance of the kept samples. */
  readonly every: number;
  readonly files: readonly { name: string; rate: number; frames: number; values: readonly number[] }[];
}
const golden: Golden = JSON.parse(
  readFileSync(fileURLToPath(new URL('../golden/containers.json', import.meta.url)), 'utf8'),
);
/** Decoded by ffmpeg alone. */
const FOREIGN = ['transport-stream', 'ac3.mp4', 'wma.wma'];
const OURS = golden.files.filter(({ name }) => !FOREIGN.includes(name));
/** Samples that the edit list leaves out, and ffmpeg does not; negative: silence before a late sound. */
const SHIFT: Readonly<Record<string, number>> = { 'aac-dash.mp4': 1024, 'aac-late.mp4': -6976 };

const folder = mkdtempSync(join(tmpdir(), 'containers-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());
const fixture = (name: string) => readFileSync(join(FIXTURES, name));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** At its own rate, the mean of the channels. */
async function decoded(name: string): Promise<{ rate: number; samples: Float32Array }> {
  const bytes = fixture(name);
  const format = detectFormat(bytes);
  if (typeof format === 'string' || !('openTrack' in format)) throw new Error(`${name}: not a container`);
  const parts: Float32Array[] = [];
  let rate = 0;
  for await (const { channelData, sampleRate } of decodeTrack(await format.openTrack(heldBytes([bytes])))) {
    rate = sampleRate;
    const count = channelData.length;
    parts.push(
      channelData[0]!.map((_, i) => channelData.reduce((sum, channel) => sum + channel[i]!, 0) / count),
    );
  }
  return { rate, samples: joinSamples(parts) };
}

describe(`samples and length as of ${golden.madeBy}`, () => {
  test.each(OURS)('$name', async ({ name, rate, frames, values }) => {
    const sound = await decoded(name);
    expect(sound.rate).toBe(rate);
    const shift = SHIFT[name] ?? 0;
    // ffmpeg 5 leaves the padding of the last packet in.
    const packet = name.startsWith('mp3') ? 1152 : 2048;
    expect(sound.samples.length + shift).toBeLessThanOrEqual(frames);
    expect(sound.samples.length + shift).toBeGreaterThan(frames - packet);
    const lossless = /alac|flac|pcm|float|mulaw/.test(name);
    const tolerance = lossless ? 1 : name.includes('opus') || name.includes('recorder') ? 120 : 8;
    const differences = values.map((value, i) => {
      const sample = sound.samples[i * golden.every - shift];
      return sample === undefined ? 0 : Math.abs(Math.round(sample * 32_768) - value);
    });
    expect(differences.reduce((largest, difference) => Math.max(largest, difference), 0)).toBeLessThanOrEqual(
      tolerance,
    );
  });

  test('the clip has 1.2 s, whatever priming and padding its codec adds', async () => {
    const exact = OURS.filter(({ name }) => /^(aac-moov|alac|opus|flac\.|mp3.mp4|pcm\.|video\.)/.test(name));
    expect(exact.length).toBeGreaterThan(10);
    for (const { name } of exact) {
      expect((await readAudio(join(FIXTURES, name))).length / 16_000, name).toBeCloseTo(1.2, 3);
    }
  });
});

test('a stream gives the same samples as a file, wherever the index stands', async () => {
  for (const { name } of OURS) {
    const bytes = fixture(name);
    const pieces = (async function* () {
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
    })();
    expect(await decodeAudio('stream', pieces), name).toEqual(await readAudio(join(FIXTURES, name)));
  }
});

test('the name does not matter, a tag before raw AAC neither', async () => {
  const aac = fixture('aac.aac');
  const tag = Buffer.from('ID3\x04\0\0\0\0\0\x05aaaaa', 'latin1');
  const tagged = await readAudio(file('tagged.wav', Buffer.concat([tag, aac])));
  expect(tagged).toEqual(await readAudio(join(FIXTURES, 'aac.aac')));
});

test('lengths by the headers are those of what is decoded, to a packet', async () => {
  for (const { name } of OURS) {
    const seconds = await audioDuration(join(FIXTURES, name));
    const samples = await readAudio(join(FIXTURES, name));
    expect(Math.abs(seconds - samples.length / 16_000), name).toBeLessThan(0.065);
  }
});

test('a header that promises more than the file has is not believed', async () => {
  for (const name of ['aac-moov-first.mp4', 'vorbis.webm', 'pcm.caf']) {
    const bytes = fixture(name);
    const path = file(name, bytes.subarray(0, Math.round(bytes.length * 0.7)));
    const samples = await readAudio(path);
    expect(samples.length, name).toBeLessThan(19_000);
    expect(await audioDuration(path), name).toBeCloseTo(samples.length / 16_000, 3);
  }
});

test('a part of the sound is that part of the whole', async () => {
  const whole = await readAudio(join(FIXTURES, 'aac-moov-last.m4a'));
  const part = await readAudio(join(FIXTURES, 'aac-moov-last.m4a'), { from: 0.5, to: 0.75 });
  expect(part).toEqual(whole.subarray(8000, 12_000));
});

test('silence stands where a recording pauses, so that later times are right', async () => {
  // The second half of the clusters comes 2 s later.
  const bytes = fixture('opus-live.webm');
  const before = await readAudio(join(FIXTURES, 'opus-live.webm'));
  const places: number[] = [];
  for (let at = bytes.indexOf('1f43b675', 0, 'hex'); at >= 0; at = bytes.indexOf('1f43b675', at + 4, 'hex')) {
    places.push(at);
  }
  expect(places.length).toBeGreaterThan(0);
  const cluster = bytes.subarray(places.at(-1)!);
  const stamp = cluster.indexOf(0xe7);
  expect(cluster[stamp + 1]! & 0xf0).toBe(0x80);
  const size = cluster[stamp + 1]! & 0x0f;
  const time = cluster.readUIntBE(stamp + 2, size);
  const later = Buffer.concat([
    bytes,
    Buffer.from('1f43b67501ffffffffffffffe784', 'hex'),
    Buffer.from(Uint32Array.of(time + 3000).buffer).swap32(),
    cluster.subarray(stamp + 2 + size),
  ]);
  const after = await readAudio(file('paused.webm', later));
  expect(after.length).toBeGreaterThan(before.length + 16_000);
  const begin = before.length + 1600;
  expect(after.subarray(begin, begin + 16_000).every((sample) => Math.abs(sample) < 1e-4)).toBe(true);
});

test('of HE-AAC its core is decoded, at half the rate', () => {
  // AudioSpecificConfig of HE-AAC and HE-AAC v2, 48 kHz; of AAC-LC; of AAC-ELD.
  expect(coreOfAac(Buffer.from('2b118800', 'hex'))).toMatchObject({ rate: 24_000, channels: 2 });
  expect(coreOfAac(Buffer.from('eb098800', 'hex'))).toMatchObject({ rate: 24_000, channels: 1 });
  expect(coreOfAac(Buffer.from('1210', 'hex'))).toEqual({
    config: aacConfig(44_100, 2),
    rate: 44_100,
    channels: 2,
  });
  expect(aacConfig(44_100, 2)).toEqual(Uint8Array.of(0x12, 0x10));
  expect(coreOfAac(Buffer.from('f8e85000', 'hex'))).toBe('AAC-ELD');
});

test.each(['he-aac.m4a', 'he-aac-v2.aac', 'he-aac-v2.mov'])('%s: 1 kHz, as long as it was', async (name) => {
  const samples = await readAudio(join(FIXTURES, name));
  // Encoders add up to three frames of 2048 samples at 48 kHz.
  expect(samples.length / 16_000).toBeGreaterThan(0.55);
  expect(samples.length / 16_000).toBeLessThan(0.75);
  expect(await audioDuration(join(FIXTURES, name))).toBeCloseTo(samples.length / 16_000, 3);
  const [from, to] = [4800, 8000];
  let [sine, cosine, energy] = [0, 0, 0];
  for (let i = from; i < to; i++) {
    sine += samples[i]! * Math.sin((2 * Math.PI * i) / 16);
    cosine += samples[i]! * Math.cos((2 * Math.PI * i) / 16);
    energy += samples[i]! ** 2;
  }
  // Nearly all of it is the sine.
  expect((2 * (sine ** 2 + cosine ** 2)) / (to - from) / energy).toBeGreaterThan(0.99);
  expect(Math.sqrt(energy / (to - from))).toBeGreaterThan(0.1);
});

test('AAC in CAF as afconvert writes it: an ES descriptor, a table of packets, priming', async () => {
  const adts = fixture('aac.aac');
  const packets: Buffer[] = [];
  for (let at = 0; at < adts.length; ) {
    const length = ((adts[at + 3]! & 3) << 11) | (adts[at + 4]! << 3) | (adts[at + 5]! >> 5);
    packets.push(adts.subarray(at + 7, at + length));
    at += length;
  }
  const rateIndex = (adts[2]! >> 2) & 15;
  const rate = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000][rateIndex]!;
  const channels = ((adts[2]! & 1) << 2) | (adts[3]! >> 6);
  const chunk = (type: string, body: Buffer) => {
    const head = Buffer.alloc(12);
    head.write(type, 'latin1');
    head.writeBigInt64BE(BigInt(body.length), 4);
    return Buffer.concat([head, body]);
  };
  const description = Buffer.alloc(32);
  description.writeDoubleBE(rate);
  description.write('aac ', 8, 'latin1');
  description.writeUInt32BE(1024, 20);
  description.writeUInt32BE(channels, 24);
  const config = aacConfig(rate, channels);
  const descriptor = Buffer.from([
    ...[3, 0x80, 0x80, 0x80, 0x22, 0, 0, 0, 4, 0x80, 0x80, 0x80, 0x14, 0x40, 0x15, 0, 0x18, 0],
    ...[0, 0, 0xfa, 0, 0, 0, 0xfa, 0, 5, 0x80, 0x80, 0x80, 2, ...config, 6, 0x80, 0x80, 0x80, 1, 2],
  ]);
  const table = Buffer.alloc(24);
  const frames = 1024 * packets.length - 2112 - 100;
  table.writeBigInt64BE(BigInt(packets.length), 0);
  table.writeBigInt64BE(BigInt(frames), 8);
  table.writeInt32BE(2112, 16);
  table.writeInt32BE(100, 20);
  const sizes = packets.flatMap(({ length }) =>
    length > 127 ? [128 | (length >> 7), length & 127] : [length],
  );
  const path = file(
    'afconvert.caf',
    Buffer.concat([
      Buffer.from('caff\0\x01\0\0', 'latin1'),
      chunk('desc', description),
      chunk('kuki', descriptor),
      chunk('data', Buffer.concat([Buffer.alloc(4), ...packets])),
      chunk('pakt', Buffer.concat([table, Buffer.from(sizes)])),
    ]),
  );
  const samples = await readAudio(path);
  expect(samples.length / 16_000).toBeCloseTo(frames / rate, 3);
  const whole = await readAudio(join(FIXTURES, 'aac.aac'), { from: 2112 / rate });
  expect(Math.abs(samples.length - whole.length)).toBeLessThan(100);
  if (rate === 16_000) expect(samples).toEqual(whole.subarray(0, samples.length));
});

test('a QuickTime file from before ftyp, its index last', async () => {
  const bytes = Buffer.from(fixture('pcm.mov'));
  bytes.write('wide', 4, 'latin1');
  expect(await readAudio(file('old.mov', bytes))).toEqual(await readAudio(join(FIXTURES, 'pcm.mov')));
});

test('a signal stops reading', async () => {
  const stopped = readAudioSource(join(FIXTURES, 'aac-moov-last.m4a'), { signal: AbortSignal.abort() });
  await expect(stopped).rejects.toThrow(/abort/i);
});

describe('what has no sound to decode is one line', () => {
  async function failing(path: string): Promise<string> {
    const error = await readAudio(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    expect(message).toMatch(/^[^\n]*: found [^\n]+; expected [^\n]+$/);
    return message;
  }

  test('cut off before the index, without sound, encrypted', async () => {
    const m4a = fixture('aac-moov-last.m4a');
    expect(await failing(file('cut.m4a', m4a.subarray(0, m4a.indexOf('moov') - 4)))).toContain(
      'without its index (moov): its recording was cut off',
    );
    const silent = Buffer.from(fixture('video.mp4'));
    silent.write('text', silent.lastIndexOf('soun'), 'latin1');
    expect(await failing(file('silent.mp4', silent))).toContain('found an MP4 file without sound');
    const locked = Buffer.from(m4a);
    locked.write('enca', locked.lastIndexOf('mp4a'), 'latin1');
    vi.stubEnv('PATH', '');
    expect(await failing(file('locked.m4a', locked))).toContain('found encrypted sound in MP4');
    expect(await failing(file('empty.webm', fixture('opus.webm').subarray(0, 60)))).toContain('cut off');
  });

  test('other formats name themselves and the way to read them', async () => {
    vi.stubEnv('PATH', '');
    expect(await failing(join(FIXTURES, 'ac3.mp4'))).toMatch(/found AC-3 in MP4.*With ffmpeg installed/);
    expect(await failing(join(FIXTURES, 'wma.wma'))).toMatch(
      /found a WMA or ASF file.*With ffmpeg installed/,
    );
    expect(await failing(join(FIXTURES, 'transport-stream'))).toMatch(/found an MPEG transport stream/);
    await expect(decodeAudio('stream', new Blob([fixture('wma.wma')]).stream())).rejects.toThrow(
      /found a WMA or ASF file.*a file on disk/,
    );
  });

  test.skipIf(process.platform === 'win32')('a program named ffmpeg decodes them', async () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    const program = join(bin, 'ffmpeg');
    const write = (script: string) => {
      writeFileSync(program, `#!${process.execPath}\n${script}`);
      chmodSync(program, 0o755);
    };
    vi.stubEnv('PATH', bin);
    write(`
      const fs = require('node:fs');
      fs.writeFileSync(${JSON.stringify(join(folder, 'arguments'))}, JSON.stringify(process.argv.slice(2)));
      fs.writeSync(1, fs.readFileSync(${JSON.stringify(join(FIXTURES, '../float-16k.wav'))}));
    `);
    const path = file('-odd name.wma', fixture('wma.wma'));
    expect(await readAudio(path)).toEqual(await readAudio(join(FIXTURES, '../float-16k.wav')));
    const given: string[] = JSON.parse(readFileSync(join(folder, 'arguments'), 'utf8'));
    expect(given).toContain(`file:${path}`);
    expect(given[given.indexOf('-f') + 1]).toBe('asf');
    expect(given[given.indexOf('-protocol_whitelist') + 1]).toBe('file,pipe');
    write("process.stderr.write('Invalid data found\\n'); process.exitCode = 1;");
    expect(await failing(path)).toContain('of which ffmpeg decodes nothing (Invalid data found)');
  });
});
