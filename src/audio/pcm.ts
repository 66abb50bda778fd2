/** Samples as numbers of fixed width: integers, floats, and the A-law and mu-law of telephones (ITU-T G.711). */
import { joinBytes } from './join-bytes.ts';
import type { SampleDecoder } from './samples-in-file.ts';

type ReadSample = (view: DataView, at: number) => number;

/** How numbers are written. */
export type NumberKind = 'unsigned' | 'signed' | 'float' | 'a-law' | 'mu-law';

export interface SampleFormat {
  readonly kind: NumberKind;
  /** Bytes of a number, with those that fill it up. */
  readonly bytes: number;
  readonly littleEndian: boolean;
  readonly channels: number;
  /** Hz */
  readonly sampleRate: number;
}

const MAX_CHANNELS = 64;

/** A decoder whose samples are there at once, without a promise. */
export interface PcmDecoder extends SampleDecoder {
  decode(chunk: Uint8Array): { channelData: Float32Array[]; sampleRate: number };
}

/** The decoder of interleaved samples. @throws Error where there is none for the format */
export function pcmDecoder({ kind, bytes, littleEndian, channels, sampleRate }: SampleFormat): PcmDecoder {
  checkChannels(channels);
  const read = reader(kind, bytes, littleEndian);
  if (!read) throw new Error(`it claims ${bytes * 8} bits a sample, ${kind}; expected ${WIDTHS[kind]}`);
  const decode = (frames: Uint8Array) => ({
    channelData: deinterleave(frames, channels, bytes, read),
    sampleRate,
  });
  const frame = { bytes: channels * bytes, sampleRate };
  return { ...unitDecoder(frame.bytes, decode, (units) => units / sampleRate), frame };
}

/** @throws Error for a number that only damage claims */
export function checkChannels(channels: number): void {
  if (channels >= 1 && channels <= MAX_CHANNELS) return;
  throw new Error(`it claims ${channels} channels; expected 1 to ${MAX_CHANNELS}`);
}

/**
 * The decoder of 24 bits in 4 bytes. They belong into the upper three, but some writers use the lower three: then the lowest
 * byte is not always 0, and the numbers stay below 2^23.
 */
export function paddedPcmDecoder(format: SampleFormat): PcmDecoder {
  const decoder = pcmDecoder(format);
  let scale: number | undefined;
  return {
    ...decoder,
    // The scale is found in the first samples.
    frame: undefined,
    decode(chunk) {
      const block = decoder.decode(chunk);
      scale ??= scaleOf(block.channelData);
      if (scale === 256)
        for (const samples of block.channelData) for (let i = 0; i < samples.length; i++) samples[i]! *= 256;
      return block;
    },
  };
}

/** 1 for the upper bytes, 256 for the lower ones, undefined where all is silence. */
function scaleOf(channels: readonly Float32Array[]): number | undefined {
  let scale: number | undefined;
  for (const samples of channels) {
    for (const sample of samples) {
      const value = sample * 2 ** 31;
      if (Math.abs(value) > 2 ** 23) return 1;
      if (value % 256 !== 0) scale = 256;
      else if (value !== 0) scale ??= 1;
    }
  }
  return scale;
}

/** A decoder of bytes that make sense in units only: frames of all channels, or blocks. A last part of one is dropped. */
export function unitDecoder(
  unitBytes: number,
  decodeUnits: (bytes: Uint8Array) => { channelData: Float32Array[]; sampleRate: number },
  secondsOfUnits: (units: number) => number,
): PcmDecoder {
  let pending: Uint8Array = new Uint8Array(0);
  return {
    decode(chunk) {
      const bytes = pending.length === 0 ? chunk : joinBytes([pending, chunk]);
      const whole = bytes.length - (bytes.length % unitBytes);
      pending = bytes.slice(whole);
      return decodeUnits(bytes.subarray(0, whole));
    },
    secondsIn: (bytes) => secondsOfUnits(Math.floor(bytes / unitBytes)),
    free() {},
  };
}

const WIDTHS: Readonly<Record<NumberKind, string>> = {
  unsigned: '8',
  signed: '8, 16, 24 or 32',
  float: '32 or 64',
  'a-law': '8',
  'mu-law': '8',
};

/** Integers are divided by 2^(bits - 1), as libsndfile does. */
function reader(kind: NumberKind, bytes: number, little: boolean): ReadSample | undefined {
  switch (`${kind} ${bytes}`) {
    case 'unsigned 1':
      return (view, at) => (view.getUint8(at) - 128) / 128;
    case 'signed 1':
      return (view, at) => view.getInt8(at) / 128;
    case 'signed 2':
      return (view, at) => view.getInt16(at, little) / 32768;
    case 'signed 3':
      return little
        ? (view, at) => (view.getInt16(at + 1, true) * 256 + view.getUint8(at)) / 8388608
        : (view, at) => (view.getInt16(at) * 256 + view.getUint8(at + 2)) / 8388608;
    case 'signed 4':
      return (view, at) => view.getInt32(at, little) / 2147483648;
    case 'float 4':
      return (view, at) => view.getFloat32(at, little);
    case 'float 8':
      return (view, at) => view.getFloat64(at, little);
    case 'a-law 1':
      return (view, at) => aLaw(view.getUint8(at)) / 32768;
    case 'mu-law 1':
      return (view, at) => muLaw(view.getUint8(at)) / 32768;
    default:
      return undefined;
  }
}

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
function deinterleave(bytes: Uint8Array, channels: number, width: number, read: ReadSample): Float32Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const step = channels * width;
  const frames = bytes.length / step;
  return Array.from({ length: channels }, (_, channel) => {
    const samples = new Float32Array(frames);
    for (let i = 0, at = channel * width; i < frames; i++, at += step) samples[i] = read(view, at);
    return samples;
  });
}
