/**
 * RIFF WAVE, read block by block: PCM of 8, 16, 24 and 32 bits, float of 32 and 64 bits, and the A-law and mu-law
 * of telephones (G.711), plain or extensible.
 * Own code because @audio/decode-wav loses the data after a chunk of odd size (it skips the padding byte that
 * RIFF asks for) and allocates whatever channel count a header claims.
 */
import { type AudioDecoder, NO_SOUND } from './decoder.ts';
import { joinBytes } from './join-bytes.ts';

const PCM = 1;
const FLOAT = 3;
const A_LAW = 6;
const MU_LAW = 7;
const EXTENSIBLE = 0xfffe;
/** Writers to a pipe cannot know the length: 0 or all ones mean "to the end of the file". */
const UNKNOWN_SIZE = 0xffff_ffff;
const MAX_CHANNELS = 64;

type ReadSample = (view: DataView, at: number) => number;

interface WavFormat {
  readonly read: ReadSample;
  readonly channels: number;
  readonly sampleRate: number;
  readonly bytesPerSample: number;
}

/** @param fileBytes size of the whole file, which limits what the header may promise. */
export function wavDecoder(fileBytes: number): AudioDecoder {
  let pending = new Uint8Array(0);
  let skip = 12; // 'RIFF', size, 'WAVE'
  let format: WavFormat | undefined;
  let dataLeft: number | undefined;
  let position = 0;
  let seconds: number | undefined;

  return {
    decode(chunk) {
      position += chunk.length;
      let bytes = joinBytes([pending, chunk]);
      pending = new Uint8Array(0);
      while (dataLeft === undefined) {
        const skipped = Math.min(skip, bytes.length);
        skip -= skipped;
        bytes = bytes.subarray(skipped);
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const id = bytes.length >= 8 ? String.fromCharCode(...bytes.subarray(0, 4)) : '';
        const size = bytes.length >= 8 ? view.getUint32(4, true) : 0;
        // The longest format chunk in use has 40 bytes; an absurd size is not waited for.
        const needed = id === 'fmt ' ? 8 + Math.min(size, 40) : 8;
        if (skip > 0 || bytes.length < needed) {
          pending = bytes.slice();
          return NO_SOUND;
        }
        if (id === 'data') {
          if (!format) throw new Error('its samples come before its format');
          dataLeft = size === 0 || size === UNKNOWN_SIZE ? Number.POSITIVE_INFINITY : size;
          bytes = bytes.subarray(8);
          const present = Math.min(dataLeft, fileBytes - (position - bytes.length));
          const frameBytes = format.channels * format.bytesPerSample;
          seconds = Math.floor(present / frameBytes) / format.sampleRate;
        } else {
          if (id === 'fmt ') format = readFormat(view, size);
          skip = 8 + size + (size % 2);
        }
      }
      const { channels, sampleRate, bytesPerSample } = format!;
      const frameBytes = channels * bytesPerSample;
      const available = Math.min(bytes.length, dataLeft);
      const frames = Math.floor(available / frameBytes);
      dataLeft -= frames * frameBytes;
      pending = bytes.slice(frames * frameBytes, available);
      return { channelData: readSamples(bytes, frames, format!), sampleRate };
    },
    seconds: () => seconds,
    free() {},
  };
}

function readFormat(view: DataView, size: number): WavFormat {
  if (size < 16) throw new Error(`its format chunk has ${size} bytes; expected at least 16`);
  let codec = view.getUint16(8, true);
  if (codec === EXTENSIBLE && size >= 40) codec = view.getUint16(32, true);
  const channels = view.getUint16(10, true);
  const sampleRate = view.getUint32(12, true);
  const frameBytes = view.getUint16(20, true);
  const bits = view.getUint16(22, true);
  const bytesPerSample = Math.ceil(bits / 8);
  const widths = READERS.get(codec);
  if (!widths) {
    const name = OTHER_CODECS.get(codec) ?? 'unknown';
    throw new Error(
      `its samples are coded as format ${codec}, ${name}; expected PCM (1), float (3), A-law (6) or mu-law (7)`,
    );
  }
  if (channels < 1 || channels > MAX_CHANNELS) {
    throw new Error(`it claims ${channels} channels; expected 1 to ${MAX_CHANNELS}`);
  }
  const read = widths[bytesPerSample];
  if (!read || frameBytes !== channels * bytesPerSample) {
    throw new Error(
      `it claims ${bits} bits a sample and ${frameBytes} bytes for ${channels} channels; ` +
        'expected 8, 16, 24 or 32 bits PCM, 32 or 64 bits float, or 8 bits A-law or mu-law',
    );
  }
  return { read, channels, sampleRate, bytesPerSample };
}

/** By codec, then by bytes a sample. Integers are divided by 2^(bits - 1), as libsndfile does. */
const READERS = new Map<number, Readonly<Record<number, ReadSample>>>([
  [
    PCM,
    {
      1: (view: DataView, at: number) => (view.getUint8(at) - 128) / 128,
      2: (view: DataView, at: number) => view.getInt16(at, true) / 32768,
      3: (view: DataView, at: number) => (view.getInt16(at + 1, true) * 256 + view.getUint8(at)) / 8388608,
      4: (view: DataView, at: number) => view.getInt32(at, true) / 2147483648,
    },
  ],
  [
    FLOAT,
    {
      4: (view: DataView, at: number) => view.getFloat32(at, true),
      8: (view: DataView, at: number) => view.getFloat64(at, true),
    },
  ],
  [A_LAW, { 1: (view: DataView, at: number) => aLaw(view.getUint8(at)) / 32768 }],
  [MU_LAW, { 1: (view: DataView, at: number) => muLaw(view.getUint8(at)) / 32768 }],
]);

/** Common ones, so that the error can name them. */
const OTHER_CODECS: ReadonlyMap<number, string> = new Map([
  [2, 'ADPCM'],
  [17, 'IMA ADPCM'],
  [49, 'GSM 6.10'],
  [80, 'MPEG'],
  [85, 'MP3'],
  [255, 'AAC'],
]);

/** ITU-T G.711: sign, exponent of 3 bits, mantissa of 4, every second bit inverted; as 16 bits. */
function aLaw(byte: number): number {
  const bits = byte ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const mantissa = ((bits & 15) << 4) + 8;
  const size = exponent === 0 ? mantissa : (mantissa + 256) << (exponent - 1);
  return bits & 0x80 ? size : -size;
}

/** ITU-T G.711: like A-law with all bits inverted and an offset of 132; as 16 bits. */
function muLaw(byte: number): number {
  const bits = ~byte;
  const size = ((((bits & 15) << 3) + 132) << ((bits >> 4) & 7)) - 132;
  return bits & 0x80 ? -size : size;
}

/** Interleaved samples to one array a channel, [-1, 1). */
function readSamples(bytes: Uint8Array, frames: number, format: WavFormat): Float32Array[] {
  const { read, channels, bytesPerSample } = format;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: channels }, (_, channel) => {
    const samples = new Float32Array(frames);
    const step = channels * bytesPerSample;
    for (let i = 0, at = channel * bytesPerSample; i < frames; i++, at += step) samples[i] = read(view, at);
    return samples;
  });
}
