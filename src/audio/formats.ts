/** Detection of audio formats by the first bytes of a file: extensions may be wrong. */
import { decoder as flacDecoder } from '@audio/decode-flac';
import { decoder as mp3Decoder } from '@audio/decode-mp3';
import { decoder as opusDecoder } from '@audio/decode-opus';
import { decoder as vorbisDecoder } from '@audio/decode-vorbis';
import type { AudioDecoder } from './decoder.ts';
import { concatenate, wavDecoder } from './wav.ts';

export interface AudioFormat {
  readonly name: string;
  open(fileBytes: number): AudioDecoder | Promise<AudioDecoder>;
}

const WAV: AudioFormat = { name: 'WAV', open: wavDecoder };
const FLAC: AudioFormat = { name: 'FLAC', open: wholeHeadersDecoder };
const OPUS: AudioFormat = { name: 'Ogg Opus', open: opusDecoder };
const VORBIS: AudioFormat = { name: 'Ogg Vorbis', open: vorbisDecoder };
const MP3: AudioFormat = { name: 'MP3', open: mp3Decoder };

export const READABLE_FORMATS = 'WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3';

/** Longest header of a FLAC frame: sync word, flags, number, block size, rate, checksum. */
const LONGEST_FLAC_HEADER = 16;

/**
 * FLAC, where what may be the beginning of a frame header waits for the next block. @audio/decode-flac 1.3.5 overlooks
 * a header that lies across two blocks (about every thousandth block of 64 KiB); from then on each frame comes one call
 * late, and the last one, a quarter of a second at 16 kHz, is lost.
 */
async function wholeHeadersDecoder(): Promise<AudioDecoder> {
  const decoder = await flacDecoder();
  let waiting = new Uint8Array(0);
  return {
    decode(chunk) {
      const bytes = concatenate(waiting, chunk);
      let end = Math.max(0, bytes.length - LONGEST_FLAC_HEADER);
      while (end < bytes.length && !(bytes[end] === 0xff && ((bytes[end + 1] ?? 0xf8) & 0xfe) === 0xf8))
        end++;
      waiting = bytes.slice(end);
      return decoder.decode(bytes.subarray(0, end));
    },
    flush() {
      const [last, rest] = [decoder.decode(waiting), decoder.flush()];
      if (last.channelData.length === 0) return rest;
      if (rest.channelData.length === 0) return last;
      return { ...last, channelData: last.channelData.map((part, i) => joined(part, rest.channelData[i]!)) };
    },
    free: () => decoder.free(),
  };
}

/**
 * The format of a file that begins with `head` (its first kilobytes), or a description of what it is instead.
 * An ID3 tag must have been skipped: `id3Length` says how long it is.
 */
export function detectFormat(head: Uint8Array): AudioFormat | string {
  const text = Buffer.from(head.subarray(0, 4096)).toString('latin1');
  if (text.startsWith('RIFF') && text.startsWith('WAVE', 8)) return WAV;
  if (text.startsWith('fLaC')) return FLAC;
  if (text.startsWith('OggS')) {
    // Not always the first page: a skeleton stream may come before.
    if (text.includes('OpusHead')) return OPUS;
    if (text.includes('\x01vorbis')) return VORBIS;
    if (text.includes('\x7fFLAC')) return FLAC;
    return 'an Ogg stream that is neither Opus, Vorbis nor FLAC';
  }
  if (isMpegAudioHeader(head)) return MP3;
  for (const [start, at, name] of OTHERS) if (text.startsWith(start, at)) return name;
  if (isText(head.subarray(0, 256))) return `text ("${text.slice(0, 24).replace(/\s+/g, ' ').trim()}")`;
  return `unknown bytes (${Buffer.from(head.subarray(0, 8)).toString('hex')})`;
}

/** Common containers that are not read, so that the error can name them. */
const OTHERS: readonly (readonly [string, number, string])[] = [
  ['ftyp', 4, 'an MP4 or M4A file'],
  ['\x1aE\xdf\xa3', 0, 'a WebM or Matroska file'],
  ['FORM', 0, 'an AIFF file'],
  ['RF64', 0, 'an RF64 file'],
  ['RIFX', 0, 'a big-endian WAV file'],
  ['RIFF', 0, 'a RIFF file without audio'],
  ['\xff\xf1', 0, 'an AAC file'],
  ['\xff\xf9', 0, 'an AAC file'],
  ['#!AMR', 0, 'an AMR file'],
  ['NIST_1A', 0, 'a NIST SPHERE file'],
  ['\x1f\x8b', 0, 'a gzip archive'],
  ['PK\x03\x04', 0, 'a zip archive'],
];

/** Bytes of an ID3v2 tag at the start, 0 without one: pictures and titles that stand before MP3 or FLAC. */
export function id3Length(head: Uint8Array): number {
  if (head.length < 10 || head[0] !== 0x49 || head[1] !== 0x44 || head[2] !== 0x33) return 0;
  const [a, b, c, d] = [head[6]! & 127, head[7]! & 127, head[8]! & 127, head[9]! & 127];
  const footer = (head[5]! & 0x10) === 0 ? 0 : 10;
  return 10 + a * 2 ** 21 + b * 2 ** 14 + c * 2 ** 7 + d + footer;
}

/** Sync word, a layer, and neither of the reserved bit rates and sample rates. */
function isMpegAudioHeader(head: Uint8Array): boolean {
  if (head.length < 4) return false;
  const [a, b, c] = [head[0]!, head[1]!, head[2]!];
  return a === 0xff && (b & 0xe0) === 0xe0 && (b & 0x06) !== 0 && (c & 0xf0) !== 0xf0 && (c & 0x0c) !== 0x0c;
}

function isText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13);
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
