import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { sfc32, uniform } from '../random.ts';
import { audioDuration, readAudio, readInBlocks } from './audio-file.ts';
import { partReference } from './audio-reference.ts';
import { decodeAudio } from './decode-audio.ts';
import { blocksFrom, heldBytes } from './file-bytes.ts';
import { readPart } from './recording-parts.ts';
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

/** Remainder by a polynomial of 8 or 16 bits. */
function checksum(bytes: Uint8Array, bits: number, polynomial: number): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << (bits - 8);
    for (let i = 0; i < 8; i++) sum = sum & (1 << (bits - 1)) ? (sum << 1) ^ polynomial : sum << 1;
  }
  return sum & (2 ** bits - 1);
}

/** FLAC of noise at 16 bits, in frames that are not compressed (RFC 9639). */
function flac(rate: number, channels: number, seconds: number, blockSize: number): Buffer {
  const total = rate * seconds;
  const head = Buffer.alloc(42);
  head.write('fLaC');
  head.writeUInt32BE(0x80_00_00_22, 4);
  head.writeUInt16BE(blockSize, 8);
  head.writeUInt16BE(blockSize, 10);
  head.writeUInt32BE(((rate << 12) | ((channels - 1) << 9) | (15 << 4)) >>> 0, 18);
  head.writeUInt32BE(total, 22);
  const pieces: Uint8Array[] = [head];
  for (let at = 0, number = 0; at < total; at += blockSize, number++) {
    const length = Math.min(blockSize, total - at);
    const coded =
      number < 0x80
        ? [number]
        : number < 0x800
          ? [0xc0 | (number >> 6), 0x80 | (number & 63)]
          : [0xe0 | (number >> 12), 0x80 | ((number >> 6) & 63), 0x80 | (number & 63)];
    const header = [
      0xff,
      0xf8,
      0x70,
      ((channels - 1) << 4) | 8,
      ...coded,
      (length - 1) >> 8,
      (length - 1) & 255,
    ];
    const frame = Buffer.alloc(header.length + 1 + channels * (1 + 2 * length));
    frame.set(header);
    frame[header.length] = checksum(Uint8Array.from(header), 8, 0x07);
    for (let channel = 0, place = header.length + 1; channel < channels; channel++) {
      frame[place++] = 2;
      for (let i = 0; i < length; i++, place += 2)
        frame.writeInt16BE(Math.round(9000 * Math.sin((at + i) / 9) + 9000 * (random() - 0.5)), place);
    }
    const sum = checksum(frame, 16, 0x8005);
    pieces.push(frame, Uint8Array.of(sum >> 8, sum & 255));
  }
  return Buffer.concat(pieces);
}

const LONG: readonly (readonly [name: string, bytes: () => Buffer])[] = [
  ...[8000, 16_000, 22_050, 44_100, 48_000].map((rate) => [`${rate}.wav`, () => noise(12, rate)] as const),
  ['stereo.wav', () => stereo(noise(8, 44_100))],
  ['one.flac', () => flac(16_000, 1, 12, 4096)],
  ['one-stereo.flac', () => flac(44_100, 2, 8, 1152)],
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

test('of FLAC only frames about the part are read, wherever it stands; damage does not move it', async () => {
  const whole = flac(44_100, 2, 20, 1152);
  const read = async (bytes: Buffer, begin: number, end: number) => {
    let count = 0;
    const file = heldBytes([bytes]);
    const counted = (at: number, length: number) => {
      count += Math.min(length, bytes.length - at);
      return file.read(at, length);
    };
    const key = `${begin} ${bytes.length} ${random()}`;
    const samples = await readPart(
      { name: 'talk', key, bytes: { size: bytes.length, read: counted } },
      { begin: begin * SAMPLE_RATE, end: end * SAMPLE_RATE },
    );
    return { samples, count };
  };
  for (const begin of [0, 10, 18])
    expect((await read(whole, begin, begin + 1)).count).toBeLessThan(0.6 * whole.length);
  for (let round = 0; round < 6; round++) {
    const damaged = Buffer.from(whole);
    for (let i = 0; i < 1 + round; i++)
      damaged[42 + Math.floor(random() * (damaged.length - 42))]! ^= 1 << (round % 8);
    if (round % 4 === 3) damaged.fill(0, 1_000_000, 1_050_000);
    const decoded = await decodeAudio(
      'talk',
      { [Symbol.asyncIterator]: () => blocksFrom(heldBytes([damaged])) },
      damaged.length,
    );
    for (const begin of [0, 6, 12, 18]) {
      const { samples } = await read(damaged, begin, begin + 1.5);
      expect(
        Buffer.from(samples.buffer).equals(
          Buffer.from(decoded.slice(begin * SAMPLE_RATE, (begin + 1.5) * SAMPLE_RATE).buffer),
        ),
        `${round} ${begin}`,
      ).toBe(true);
    }
  }
});
