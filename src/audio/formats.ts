/** Detection of audio formats by the first bytes of a file: extensions may be wrong. */
import type { AudioDecoder } from './decoder.ts';
import type { FileBytes } from './file-bytes.ts';
import { flacDecoder, flacDuration } from './flac.ts';
import { isMpegAudio, mpegDecoder, mpegDuration } from './mpeg-audio.ts';
import { oggDecoder, oggDuration } from './ogg.ts';
import { wavDecoder } from './wav.ts';

export interface AudioFormat {
  readonly name: string;
  /** @param fileBytes size of the whole file, Infinity where it is not known */
  open(fileBytes: number): AudioDecoder | Promise<AudioDecoder>;
  /**
   * Seconds that decoding gives, by the headers of a file, none of which is trusted beyond the file's size; undefined where
   * only decoding can tell. Default: what the decoder says after the header.
   */
  duration?(file: FileBytes): Promise<number | undefined>;
}

const WAV: AudioFormat = { name: 'WAV', open: wavDecoder };
const FLAC: AudioFormat = { name: 'FLAC', open: flacDecoder, duration: flacDuration };
const OPUS: AudioFormat = { name: 'Ogg Opus', open: oggDecoder, duration: oggDuration };
const VORBIS: AudioFormat = { name: 'Ogg Vorbis', open: oggDecoder, duration: oggDuration };
const OGG_FLAC: AudioFormat = { name: 'Ogg FLAC', open: oggDecoder, duration: oggDuration };
const MP3: AudioFormat = { name: 'MP3', open: mpegDecoder, duration: mpegDuration };

export const READABLE_FORMATS = 'WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3';

/**
 * The format of a file that begins with `head` (its first kilobytes), or a description of what it is instead.
 * Tags must have been skipped.
 */
export function detectFormat(head: Uint8Array): AudioFormat | string {
  const text = Buffer.from(head.subarray(0, 4096)).toString('latin1');
  if (text.startsWith('RIFF') && text.startsWith('WAVE', 8)) return WAV;
  if (text.startsWith('fLaC')) return FLAC;
  if (text.startsWith('OggS')) {
    // Not always the first page: a skeleton stream may come before.
    if (text.includes('OpusHead')) return OPUS;
    if (text.includes('\x01vorbis')) return VORBIS;
    if (text.includes('\x7fFLAC')) return OGG_FLAC;
    return 'an Ogg stream that is neither Opus, Vorbis nor FLAC';
  }
  for (const [start, at, name] of OTHERS) if (text.startsWith(start, at)) return name;
  if (isMpegAudio(head)) return MP3;
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

function isText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13);
}
