// WAV and AIFF as other programs write them, right or wrong: chunks in any order, without padding, without lengths.

import { expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { readChannels } from '../testing/read-channels.ts';
import { readAudioSource } from './audio-source.ts';

const SAMPLES = Float32Array.from({ length: 1600 }, (_, i) => Math.round(8000 * Math.sin(i / 5)) / 32_768);
const pcm = (bytes: number, littleEndian = true, shift = 0): Buffer => {
  const buffer = Buffer.alloc(SAMPLES.length * bytes);
  SAMPLES.forEach((sample, i) => {
    const value = Math.round(sample * 2 ** (bytes * 8 - 1)) >> shift;
    if (littleEndian) buffer.writeIntLE(value, i * bytes, bytes);
    else buffer.writeIntBE(value, i * bytes, bytes);
  });
  return buffer;
};
const PCM16 = pcm(2);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function chunk(id: string, content: Uint8Array, { padded = true, size = content.length } = {}): Buffer {
  const padding = Buffer.alloc(padded ? content.length % 2 : 0);
  return Buffer.concat([Buffer.from(id, 'latin1'), u32(size), content, padding]);
}

interface Format {
  codec?: number;
  bits?: number;
  /** Bytes of a frame. */
  unit?: number;
  extension?: Buffer;
}

function format({ codec = 1, bits = 16, unit = bits / 8, extension = Buffer.alloc(0) }: Format = {}): Buffer {
  const content = Buffer.alloc(16);
  content.writeUInt16LE(codec, 0);
  content.writeUInt16LE(1, 2);
  content.writeUInt32LE(16_000, 4);
  content.writeUInt32LE(16_000 * unit, 8);
  content.writeUInt16LE(unit, 12);
  content.writeUInt16LE(bits, 14);
  return chunk('fmt ', Buffer.concat([content, extension]));
}

const riff = (chunks: readonly Buffer[], { id = 'RIFF', size = 0 } = {}): Blob => {
  const content = Buffer.concat(chunks);
  return new Blob([Buffer.from(id), u32(size || content.length + 4), Buffer.from('WAVE'), content]);
};

const data = chunk('data', PCM16);
const list = Buffer.from('INFOISFT\x05\0\0\0Lavf5', 'latin1'); // of odd length

test.each<[string, Blob]>([
  ['padded', riff([format(), chunk('LIST', list), data])],
  ['without the padding byte', riff([format(), chunk('LIST', list, { padded: false }), data])],
  [
    'of an unknown name, without it',
    riff([
      chunk('zzzz', Buffer.from('abc'), { padded: false }),
      chunk('qqqq', Buffer.from('abcd')),
      format(),
      data,
    ]),
  ],
  ['padded with a letter', riff([format(), chunk('LIST', list, { padded: false }), Buffer.from('d'), data])],
  ['two bytes too short', riff([format(), Buffer.alloc(2), data])],
])('a chunk before the samples: %s', async (_, blob) => {
  expect(await readAudioSource(blob)).toEqual(SAMPLES);
});

test.each<[string, Blob]>([
  ['samples before their format', riff([data, format()])],
  [
    'what broadcasters write',
    riff([
      chunk('JUNK', Buffer.alloc(28)),
      chunk('bext', Buffer.alloc(602)),
      format(),
      chunk('fact', u32(1600)),
      data,
    ]),
  ],
  ['a megabyte before the samples', riff([chunk('JUNK', Buffer.alloc(2 ** 20, 'data')), format(), data])],
  ['a list behind the samples', riff([format(), data, chunk('LIST', list)])],
  ['lengths of 0', riff([format(), chunk('data', PCM16, { size: 0 })], { size: 1 })],
  [
    'lengths of all ones',
    riff([format(), chunk('data', PCM16, { size: 0xffff_ffff })], { size: 0xffff_ffff }),
  ],
  ['half of all ones', riff([format(), chunk('data', PCM16, { size: 0x7fff_ffff })])],
  [
    'RF64',
    riff(
      [
        chunk('ds64', Buffer.concat([u32(9), u32(0), u32(3200), u32(0), u32(1600), u32(0), u32(0)])),
        format(),
        chunk('data', Buffer.concat([PCM16, Buffer.alloc(100, 'x')]), { size: 0xffff_ffff }),
      ],
      { id: 'RF64', size: 0xffff_ffff },
    ),
  ],
  [
    'BW64 that does not know its length',
    riff([format(), chunk('data', PCM16, { size: 0xffff_ffff })], { id: 'BW64' }),
  ],
])('%s', async (_, blob) => {
  expect(await readAudioSource(blob)).toEqual(SAMPLES);
});

const extensible = (valid: number) =>
  Buffer.concat([
    Buffer.from([22, 0, valid, 0, 4, 0, 0, 0]),
    Buffer.from('0100000000001000800000aa00389b71', 'hex'),
  ]);

test.each<[string, Buffer]>([
  ['24 bits in 4 bytes', format({ bits: 24, unit: 4 })],
  ['24 bits in 4 bytes, extensible', format({ codec: 0xfffe, bits: 32, extension: extensible(24) })],
  [
    '24 bits in 4 bytes, extensible, that says 24',
    format({ codec: 0xfffe, bits: 24, unit: 4, extension: extensible(24) }),
  ],
  ['20 bits in 3 bytes', format({ bits: 20, unit: 3 })],
  ['12 bits in 2 bytes', format({ bits: 12, unit: 2 })],
])('%s', async (name, header) => {
  const bytes = name.includes('4 bytes') ? 4 : name.includes('3') ? 3 : 2;
  expect(await readAudioSource(riff([header, chunk('data', pcm(bytes))]))).toEqual(SAMPLES);
});

test('24 bits in the lower three of 4 bytes, as some writers put them', async () => {
  const noisy = pcm(4, true, 8);
  // Samples of 24 bits, not of 16: the lowest byte is in use.
  for (let i = 0; i < noisy.length; i += 4) noisy[i] = 1;
  const samples = await readAudioSource(riff([format({ bits: 24, unit: 4 }), chunk('data', noisy)]));
  expect(samples.every((sample, i) => Math.abs(sample - SAMPLES[i]!) < 1e-6)).toBe(true);
});

test.each<[string, Blob]>([
  ['nothing', riff([format(), chunk('data', Buffer.alloc(0))])],
  ['a LIST', riff([format(), chunk('data', Buffer.alloc(0)), chunk('LIST', list)])],
  ['an ID3 tag', riff([format(), chunk('data', Buffer.alloc(0)), chunk('id3 ', list)])],
  [
    'more of the file than that',
    riff([format(), chunk('data', Buffer.alloc(0)), chunk('LIST', list), chunk('bext', list)]),
  ],
])('a data chunk without samples, and %s behind it: one line', async (_, blob) => {
  const error = (await readAudioSource(blob).catch((thrown: unknown) => thrown)) as Error;
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).toMatch(
    /^Blob: found \d+ bytes of WAV in which nothing decodes \(no samples: .*\); expected /,
  );
});

function bigEndian(id: string, content: Uint8Array): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(content.length);
  return Buffer.concat([Buffer.from(id), size, content]);
}

test('AIFF: sound before its format, an offset, no sound at all', async () => {
  const header = bigEndian('COMM', Buffer.from('0001000006400010400cfa00000000000000', 'hex'));
  const form = (...chunks: Buffer[]) => new Blob([bigEndian('FORM', Buffer.from('AIFF')), ...chunks]);
  const samples = pcm(2, false);
  const sound = bigEndian('SSND', Buffer.concat([Buffer.alloc(8), samples]));
  expect(await readAudioSource(form(header, sound))).toEqual(SAMPLES);
  expect(await readAudioSource(form(sound, header))).toEqual(SAMPLES);
  const offset = bigEndian(
    'SSND',
    Buffer.concat([Buffer.from([0, 0, 0, 6, 0, 0, 0, 0]), Buffer.alloc(6), samples]),
  );
  expect(await readAudioSource(form(header, offset))).toEqual(SAMPLES);
  await expect(readAudioSource(form(header, bigEndian('SSND', Buffer.alloc(8))))).rejects.toThrow(
    'no samples',
  );
});

test('mu-law keeps channels apart', async () => {
  const header = format({ codec: 7, bits: 8, unit: 2 });
  header.writeUInt16LE(2, 10);
  const [left, right] = await readChannels(
    riff([header, chunk('data', Buffer.alloc(400, '\x00\xff', 'latin1'))]),
  );
  expect([left!.length, right!.length]).toEqual([200, 200]);
  expect(left![50]).toBeCloseTo(-32_124 / 32_768, 5);
  expect(right![50]).toBe(0);
});
