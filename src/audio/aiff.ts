/** AIFF and AIFF-C: PCM of 8 to 32 bits in either order of bytes, float, A-law, mu-law, IMA ADPCM. */
import { appleImaDecoder } from './adpcm.ts';
import { UnreadCodecError } from './decoder.ts';
import { type NumberKind, pcmDecoder } from './pcm.ts';
import type { HeaderInput, SampleData, SampleDecoder } from './samples-in-file.ts';
import { text, viewBytes } from './wav.ts';

/** Samples before their format are held in memory until it comes. */
const MOST_HELD = 64 * 2 ** 20;

interface Common {
  readonly decoder: SampleDecoder;
  /** Bytes of the samples that it counts, Infinity where it counts none. */
  readonly bytes: number;
}

export function* aiffHeader(input: HeaderInput): Generator<undefined, SampleData> {
  yield* input.skip(12);
  let common: Common | undefined;
  let held: Uint8Array | undefined;
  for (;;) {
    const header = yield* input.take(8);
    const id = text(header, 0);
    const size = header.getUint32(4);
    if (id === 'SSND') {
      const offset = (yield* input.take(8)).getUint32(0);
      yield* input.skip(offset);
      const next = yield* input.peek(1);
      if (next.byteLength === 0) throw new Error('no samples: its sound chunk is empty');
      // Writers to a pipe leave 0.
      const bytes = size <= 8 ? Number.POSITIVE_INFINITY : size - 8 - offset;
      if (common) {
        if (common.bytes === 0 && size === 8) throw new Error('no samples: its sound chunk is empty');
        return { bytes: Math.min(bytes, common.bytes || Number.POSITIVE_INFINITY), decoder: common.decoder };
      }
      if (bytes < 0 || bytes > MOST_HELD) throw new Error('its samples come before its format');
      held = viewBytes(yield* input.take(bytes)).slice();
      yield* input.skip(size % 2);
    } else if (id === 'COMM') {
      common = readCommon(yield* input.take(Math.min(size, 22)));
      if (held) {
        input.putBack(held);
        return { bytes: Math.min(held.length, common.bytes || held.length), decoder: common.decoder };
      }
      yield* input.skip(size - Math.min(size, 22) + (size % 2));
    } else yield* input.skip(size + (size % 2));
  }
}

/** Kinds of numbers by the compression of AIFF-C; bytes where the type names them. */
const COMPRESSIONS: ReadonlyMap<string, readonly [kind: NumberKind, little?: boolean, bytes?: number]> =
  new Map([
    ['NONE', ['signed']],
    ['twos', ['signed']],
    ['sowt', ['signed', true]],
    ['raw ', ['unsigned']],
    ['in24', ['signed', false, 3]],
    ['42ni', ['signed', true, 3]],
    ['in32', ['signed', false, 4]],
    ['23ni', ['signed', true, 4]],
    ['fl32', ['float', false, 4]],
    ['FL32', ['float', false, 4]],
    ['fl64', ['float', false, 8]],
    ['FL64', ['float', false, 8]],
    ['alaw', ['a-law', false, 1]],
    ['ALAW', ['a-law', false, 1]],
    ['ulaw', ['mu-law', false, 1]],
    ['ULAW', ['mu-law', false, 1]],
  ]);

/** @param view the common chunk's content */
function readCommon(view: DataView): Common {
  if (view.byteLength < 18) {
    throw new Error(`its common chunk has ${view.byteLength} bytes; expected at least 18`);
  }
  const channels = view.getUint16(0);
  const frames = view.getUint32(2);
  const bits = view.getUint16(6);
  const sampleRate = extended(view, 8);
  const compression = view.byteLength >= 22 ? text(view, 18) : 'NONE';
  if (compression === 'ima4') {
    return { decoder: appleImaDecoder(channels, sampleRate), bytes: frames * channels * 34 };
  }
  const found = COMPRESSIONS.get(compression);
  if (!found) {
    if (/^[\x20-\x7e]{4}$/.test(compression)) throw new UnreadCodecError(`"${compression}"`);
    throw new Error('its samples are compressed as an unknown type');
  }
  const [kind, littleEndian = false, bytes = Math.ceil(bits / 8)] = found;
  return {
    decoder: pcmDecoder({ kind, bytes, littleEndian, channels, sampleRate }),
    bytes: frames * channels * bytes,
  };
}

/** A number of 80 bits: sign, exponent of 15, mantissa of 64. */
function extended(view: DataView, at: number): number {
  const exponent = view.getUint16(at) & 0x7fff;
  return Number(view.getBigUint64(at + 2)) * 2 ** (exponent - 16383 - 63);
}
