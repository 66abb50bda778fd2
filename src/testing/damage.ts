/** Damages bytes at random, the same for a seed. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { below, sfc32 } from '../random.ts';

/** Bytes that stand for limits in many formats. */
const LIMITS = [0, 1, 0x7f, 0x80, 0xff];

/** The bytes with some of them changed, doubled, left out or exchanged, or cut off. */
export function damaged(bytes: Uint8Array, seed: number): Buffer {
  const random = sfc32(seed);
  let found = Buffer.from(bytes);
  for (let times = 1 + below(4, random); times > 0 && found.length > 0; times--) {
    const at = below(found.length, random);
    const length = Math.min(found.length - at, 1 + below(below(2, random) === 0 ? 4 : 200, random));
    const [before, piece, after] = [
      found.subarray(0, at),
      found.subarray(at, at + length),
      found.subarray(at + length),
    ];
    switch (below(7, random)) {
      case 0:
        found = Buffer.concat([before, after]);
        break;
      case 1:
        found = Buffer.concat([before, piece, piece, after]);
        break;
      case 2:
        found = Buffer.from(before);
        break;
      case 3: {
        const to = below(before.length + 1, random);
        found = Buffer.concat([before.subarray(0, to), piece, before.subarray(to), after]);
        break;
      }
      case 4:
        found = Buffer.from(found).fill(LIMITS[below(LIMITS.length, random)]!, at, at + length);
        break;
      case 5:
        found = Buffer.from(found);
        found[at] = found[at]! ^ (1 << below(8, random));
        break;
      default:
        found = Buffer.from(found);
        for (let i = at; i < at + length; i++) found[i] = below(256, random);
    }
  }
  return found;
}

/** What breaks readers: numbers, names and marks of the formats. */
const PIECES = [
  '9'.repeat(30),
  '-1',
  '1e999',
  'NaN',
  '\0',
  '\n',
  '\t',
  '"',
  '{',
  ']',
  '\\',
  '- ',
  '&a [*a]',
  '../../../etc/passwd',
  '|',
  '\ufeff',
  '#t=3,1',
  '\x80',
];

/** A file of a text format with changed bits, bytes, lengths and order of pieces: at the end, where a footer is, or anywhere. */
export function damagedText(original: Uint8Array, random: () => number): Buffer {
  let bytes = Buffer.from(original);
  const end = random() < 0.4;
  const place = (): number =>
    end
      ? Math.max(0, bytes.length - 1 - below(Math.min(2000, bytes.length), random))
      : below(bytes.length + 1, random);
  for (let times = 1 + below(5, random); times > 0; times--) {
    const at = place();
    const length = 1 + below(below(3, random) === 0 ? 400 : 8, random);
    const kind = below(7, random);
    const rest = bytes.subarray(Math.min(bytes.length, at + length));
    if (kind === 0 && bytes.length > 0) bytes[Math.min(at, bytes.length - 1)]! ^= 1 << below(8, random);
    else if (kind === 1) bytes.fill(below(2, random) * 255, at, Math.min(at + length, bytes.length));
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), rest]);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    else if (kind === 4) bytes = bytes.subarray(0, at);
    else if (kind === 5)
      bytes = Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(PIECES[below(PIECES.length, random)]!),
        rest,
      ]);
    else for (let i = at; i < Math.min(bytes.length, at + length); i++) bytes[i] = below(256, random);
  }
  return bytes;
}

/** In half the cases what is compressed is damaged before, so that it is read. */
export function damagedFile(name: string, original: Uint8Array, random: () => number): Buffer {
  if (!name.endsWith('gz') || random() < 0.5) return damagedText(original, random);
  return gzipSync(damagedText(gunzipSync(original), random), { level: 1 });
}
