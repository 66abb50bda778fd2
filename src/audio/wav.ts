/**
 * RIFF WAVE and what is made like it: RF64 and BW64 (beyond 4 GiB), RIFX (big-endian), W64. PCM of 8 to 32 bits, float of
 * 32 and 64 bits, A-law and mu-law, ADPCM, MPEG audio; plain or extensible.
 * Own code because @audio/decode-wav loses the data after a chunk of odd size (it skips the padding byte that
 * RIFF asks for) and allocates whatever channel count a header claims.
 */
import { imaDecoder, msDecoder } from './adpcm.ts';
import { UnreadCodecError } from './decoder.ts';
import { mpegDecoder } from './mpeg-audio.ts';
import { checkChannels, type NumberKind, paddedPcmDecoder, pcmDecoder } from './pcm.ts';
import {
  type HeaderInput,
  headerThenSamples,
  type SampleData,
  type SampleDecoder,
} from './samples-in-file.ts';

const EXTENSIBLE = 0xfffe;
/** Writers to a pipe cannot know the length: 0 or all ones mean "to the end of the file". */
const UNKNOWN_SIZE = 0xffff_ffff;
/** The longest format chunk that is read: MS ADPCM with its coefficients has 50 bytes. */
const LONGEST_FORMAT = 64;
/** Samples before their format are held in memory until it comes. */
const MOST_HELD = 64 * 2 ** 20;

/** RIFF, RIFX, RF64 or BW64. */
export function* wavHeader(input: HeaderInput): Generator<undefined, SampleData> {
  const little = text(yield* input.take(12), 0) !== 'RIFX';
  let decoder: SampleDecoder | undefined;
  let longSize: number | undefined;
  let held: { bytes: Uint8Array } | undefined;
  for (;;) {
    const header = yield* input.take(8);
    const id = text(header, 0);
    const size = header.getUint32(4, little);
    if (id === 'data') {
      const bytes = yield* dataBytes(input, size, longSize, little);
      if (decoder) return { bytes, decoder };
      if (bytes > MOST_HELD) throw new Error('its samples come before its format');
      held = { bytes: viewBytes(yield* input.take(bytes)).slice() };
    } else if (id === 'fmt ') {
      const length = Math.min(size, LONGEST_FORMAT);
      decoder = formatDecoder(yield* input.take(length), little);
      if (held) {
        input.putBack(held.bytes);
        return { bytes: held.bytes.length, decoder };
      }
      yield* input.skip(size - length);
    } else if (id === 'ds64' && size >= 24) {
      longSize = Number((yield* input.take(16)).getBigUint64(8, true));
      yield* input.skip(size - 16);
    } else yield* input.skip(size);
    yield* input.skip(yield* padding(input, size));
  }
}

export const wavDecoder = headerThenSamples(wavHeader);

/** Sony Wave64: chunks have a GUID, 8 bytes of length that counts the chunk's header, and an alignment of 8. */
export function* w64Header(input: HeaderInput): Generator<undefined, SampleData> {
  yield* input.skip(40);
  let decoder: SampleDecoder | undefined;
  for (;;) {
    const header = yield* input.take(24);
    const id = text(header, 0);
    const size = Number(header.getBigUint64(16, true)) - 24;
    if (size < 0) throw new Error('a chunk claims to be shorter than its own header');
    if (id === 'data') {
      if (!decoder) throw new Error('its samples come before its format');
      return { bytes: size === 0 ? Number.POSITIVE_INFINITY : size, decoder };
    }
    const length = id === 'fmt ' ? Math.min(size, LONGEST_FORMAT) : 0;
    if (id === 'fmt ') decoder = formatDecoder(yield* input.take(length), true);
    yield* input.skip(size - length + ((8 - (size % 8)) % 8));
  }
}

/** Length of the samples, of which the chunk's own size may say nothing. */
function* dataBytes(
  input: HeaderInput,
  size: number,
  longSize: number | undefined,
  little: boolean,
): Generator<undefined, number> {
  if (size === UNKNOWN_SIZE) return longSize || Number.POSITIVE_INFINITY;
  if (size > 0) {
    // Of a file beyond 4 GiB whose writer did not know RF64, the size has lost its upper bits.
    const lost = Math.floor((input.fileBytes - input.position - size) / 2 ** 32);
    return lost > 0 && Number.isFinite(lost) ? size + lost * 2 ** 32 : size;
  }
  const next = yield* input.peek(8);
  const isChunk = next.byteLength === 8 && KNOWN_CHUNKS.has(text(next, 0));
  if (
    next.byteLength === 0 ||
    (isChunk && input.position + 8 + next.getUint32(4, little) <= input.fileBytes)
  ) {
    throw new Error('no samples: its data chunk is empty');
  }
  return Number.POSITIVE_INFINITY;
}

/** Chunks that stand in WAV files, so that they are found where a writer forgot the padding byte. */
const KNOWN_CHUNKS: ReadonlySet<string> = new Set(
  (
    'data,fmt ,LIST,fact,JUNK,junk,bext,id3 ,ID3 ,cue ,smpl,inst,PEAK,iXML,axml,FLLR,PAD ,Fake,minf,elm1,regn,umid,' +
    'DGDA,afsp,_PMX,acid,strc,chna,ds64,levl,r64m,cart,LGWV,ResU,DISP,plst,wavl,slnt,SNDM,tlst,META,qlty,mext,link'
  ).split(','),
);

/** Bytes between the end of a chunk and the next one: RIFF asks for an even place, not all writers know. */
function* padding(input: HeaderInput, size: number): Generator<undefined, number> {
  const asked = size % 2;
  const next = yield* input.peek(asked + 6);
  const idAt = (at: number) => (at + 4 <= next.byteLength ? text(next, at) : '');
  if (KNOWN_CHUNKS.has(idAt(asked))) return asked;
  for (const at of [0, 1, 2]) if (KNOWN_CHUNKS.has(idAt(at))) return at;
  const isName = (id: string) => /^[\x20-\x7e]{4}$/.test(id);
  return isName(idAt(0)) && !isName(idAt(asked)) ? 0 : asked;
}

const NUMBER_KINDS: ReadonlyMap<number, NumberKind> = new Map([
  [1, 'signed'],
  [3, 'float'],
  [6, 'a-law'],
  [7, 'mu-law'],
]);

/** Those that only ffmpeg reads. */
const OTHER_CODECS: ReadonlyMap<number, string> = new Map([
  [0x31, 'GSM 6.10'],
  [0x40, 'G.721 ADPCM'],
  [0x45, 'G.726 ADPCM'],
  [0x64, 'G.726 ADPCM'],
  [0x65, 'G.722 ADPCM'],
  [0xff, 'AAC'],
  [0x160, 'Windows Media Audio'],
  [0x161, 'Windows Media Audio'],
]);

/** The decoder that a format chunk (WAVEFORMATEX) asks for. @param view its content */
function formatDecoder(view: DataView, little: boolean): SampleDecoder {
  const size = view.byteLength;
  if (size < 16) throw new Error(`its format chunk has ${size} bytes; expected at least 16`);
  let codec = view.getUint16(0, little);
  if (codec === EXTENSIBLE && size >= 40) codec = view.getUint16(24, little);
  const channels = view.getUint16(2, little);
  const sampleRate = view.getUint32(4, little);
  const unitBytes = view.getUint16(12, little);
  const bits = view.getUint16(14, little);
  if (codec === 2) return msDecoder({ channels, sampleRate, blockBytes: unitBytes });
  if (codec === 17) return imaDecoder({ channels, sampleRate, blockBytes: unitBytes });
  if (codec === 0x50 || codec === 0x55) return mpegDecoder();
  const kind = NUMBER_KINDS.get(codec);
  if (!kind) {
    const name = OTHER_CODECS.get(codec);
    if (name) throw new UnreadCodecError(name);
    throw new Error(
      `its samples are coded as format ${codec}; expected PCM (1), float (3), A-law (6), mu-law (7), ADPCM (2, 17) ` +
        'or MPEG audio (80, 85)',
    );
  }
  // Fewer bits than the bytes have room for fill their upper end.
  checkChannels(channels);
  const bytes = unitBytes / channels;
  if (!Number.isInteger(bytes) || bytes * 8 < bits || bytes > 8) {
    throw new Error(
      `it claims ${bits} bits a sample and ${unitBytes} bytes for ${channels} channels; ` +
        'expected 8, 16, 24 or 32 bits PCM, 32 or 64 bits float, or 8 bits A-law or mu-law',
    );
  }
  const valid = size >= 20 && codec !== view.getUint16(0, little) ? view.getUint16(18, little) : bits;
  const decoder = kind === 'signed' && bytes === 4 && valid === 24 ? paddedPcmDecoder : pcmDecoder;
  return decoder({
    kind: kind === 'signed' && bytes === 1 ? 'unsigned' : kind,
    ...{ bytes, littleEndian: little, channels, sampleRate },
  });
}

export function text(view: DataView, at: number): string {
  return String.fromCharCode(
    view.getUint8(at),
    view.getUint8(at + 1),
    view.getUint8(at + 2),
    view.getUint8(at + 3),
  );
}

export function viewBytes({ buffer, byteOffset, byteLength }: DataView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
