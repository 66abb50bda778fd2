/** Detection of audio formats by the first bytes of a file: extensions may be wrong. */
import { aiffHeader } from './aiff.ts';
import { auHeader, sphereHeader } from './au.ts';
import { isAdts, openAdts } from './containers/adts.ts';
import { openCaf } from './containers/caf.ts';
import { type OpenTrack, trackSeconds } from './containers/decode-track.ts';
import { openMatroska } from './containers/matroska.ts';
import { openMp4 } from './containers/mp4.ts';
import type { AudioDecoder } from './decoder.ts';
import type { FileBytes } from './file-bytes.ts';
import { flacDecoder, flacDuration } from './flac.ts';
import { isMpegAudio, mpegDecoder, mpegDuration } from './mpeg-audio.ts';
import { oggDecoder, oggDuration } from './ogg.ts';
import { headerThenSamples } from './samples-in-file.ts';
import { w64Header, wavDecoder } from './wav.ts';

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

/** A container with a track of sound, whose parts may stand in any order. */
export interface ContainerFormat {
  readonly name: string;
  readonly openTrack: OpenTrack;
  /** The name of ffmpeg's reader, for codecs that are not decoded here. */
  readonly ffmpeg: string;
  duration(file: FileBytes): Promise<number | undefined>;
}

/** A format that is recognised and that ffmpeg reads. */
export interface ForeignFormat {
  /** With its article. */
  readonly found: string;
  /** The name of ffmpeg's reader. */
  readonly ffmpeg: string;
}

const WAV: AudioFormat = { name: 'WAV', open: wavDecoder };
const W64: AudioFormat = { name: 'W64', open: headerThenSamples(w64Header) };
const AIFF: AudioFormat = { name: 'AIFF', open: headerThenSamples(aiffHeader) };
const AU: AudioFormat = { name: 'AU', open: headerThenSamples(auHeader) };
const SPHERE: AudioFormat = { name: 'NIST SPHERE', open: headerThenSamples(sphereHeader) };
const FLAC: AudioFormat = { name: 'FLAC', open: flacDecoder, duration: flacDuration };
const OPUS: AudioFormat = { name: 'Ogg Opus', open: oggDecoder, duration: oggDuration };
const VORBIS: AudioFormat = { name: 'Ogg Vorbis', open: oggDecoder, duration: oggDuration };
const OGG_FLAC: AudioFormat = { name: 'Ogg FLAC', open: oggDecoder, duration: oggDuration };
const MP3: AudioFormat = { name: 'MP3', open: mpegDecoder, duration: mpegDuration };

const MP4 = container('MP4', openMp4, 'mov');
const MATROSKA = container('WebM or Matroska', openMatroska, 'matroska');
const CAF = container('CAF', openCaf, 'caf');
const AAC = container('AAC', openAdts, 'aac');

export const READABLE_FORMATS =
  'WAV, AIFF, FLAC, Ogg Vorbis, Ogg Opus, MP3, M4A or MP4, MOV, WebM or Matroska, CAF or AAC';

/**
 * The format of a file that begins with `head` (its first kilobytes), or a description of what it is instead.
 * Tags must have been skipped.
 */
export function detectFormat(head: Uint8Array): AudioFormat | ContainerFormat | ForeignFormat | string {
  const text = Buffer.from(head.subarray(0, 4096)).toString('latin1');
  if (/^(?:RIFF|RIFX|RF64|BW64)/.test(text) && text.startsWith('WAVE', 8)) return WAV;
  if (text.startsWith('riff\x2e\x91\xcf\x11')) return W64;
  if (text.startsWith('FORM') && /^AIF[FC]/.test(text.slice(8, 12))) return AIFF;
  if (text.startsWith('.snd')) return AU;
  if (text.startsWith('NIST_1A\n')) return SPHERE;
  if (text.startsWith('fLaC')) return FLAC;
  if (text.startsWith('OggS')) {
    // Not always the first page: a skeleton stream may come before.
    if (text.includes('OpusHead')) return OPUS;
    if (text.includes('\x01vorbis')) return VORBIS;
    if (text.includes('\x7fFLAC')) return OGG_FLAC;
    return { found: 'an Ogg stream that is neither Opus, Vorbis nor FLAC', ffmpeg: 'ogg' };
  }
  if (text.startsWith('\x1aE\xdf\xa3')) return MATROSKA;
  if (text.startsWith('caff')) return CAF;
  if (MP4_BOXES.has(text.slice(4, 8))) return MP4;
  if (isAdts(head)) return AAC;
  for (const [start, at, found, ffmpeg] of FOREIGN) if (text.startsWith(start, at)) return { found, ffmpeg };
  // Packets of 188 bytes, each with a sync byte.
  if ([0, 188, 376].every((at) => head[at] === 0x47))
    return { found: 'an MPEG transport stream', ffmpeg: 'mpegts' };
  for (const [start, at, name] of OTHERS) if (text.startsWith(start, at)) return name;
  if (isMpegAudio(head)) return MP3;
  if (isText(head.subarray(0, 256))) return `text ("${text.slice(0, 24).replace(/\s+/g, ' ').trim()}")`;
  return `unknown bytes (${Buffer.from(head.subarray(0, 8)).toString('hex')})`;
}

function container(name: string, openTrack: OpenTrack, ffmpeg: string): ContainerFormat {
  return { name, openTrack, ffmpeg, duration: (file) => trackSeconds(openTrack, file) };
}

/** Boxes at the beginning of MP4 and QuickTime files; those before `ftyp` was invented have none. */
const MP4_BOXES: ReadonlySet<string> = new Set(['ftyp', 'styp', 'moov', 'mdat', 'wide', 'pnot', 'moof']);

/** Formats that only ffmpeg reads: how they begin, what they are, its name for them. */
const FOREIGN: readonly (readonly [string, number, string, string])[] = [
  ['#!AMR', 0, 'an AMR file', 'amr'],
  ['\x30\x26\xb2\x75\x8e\x66\xcf\x11', 0, 'a WMA or ASF file', 'asf'],
  ['AVI ', 8, 'an AVI file', 'avi'],
  ['FLV\x01', 0, 'a FLV file', 'flv'],
  ['\0\0\x01\xba', 0, 'an MPEG program stream', 'mpeg'],
  ['\x0b\x77', 0, 'an AC-3 file', 'ac3'],
  ['\x7f\xfe\x80\x01', 0, 'a DTS file', 'dts'],
  ['Creative Voice File', 0, 'a Creative Voice file', 'voc'],
  ['wvpk', 0, 'a WavPack file', 'wv'],
  ['MAC ', 0, "a Monkey's Audio file", 'ape'],
  ['TTA1', 0, 'a TTA file', 'tta'],
  ['MPCK', 0, 'a Musepack file', 'mpc8'],
  ['ADIF', 0, 'an AAC file with an ADIF header', 'aac'],
];

/** Common containers that are not read, so that the error can name them. */
const OTHERS: readonly (readonly [string, number, string])[] = [
  ['RIFF', 0, 'a RIFF file without audio'],
  ['MThd', 0, 'a MIDI file, notes without sound'],
  ['\x89PNG', 0, 'an image'],
  ['\xff\xd8\xff', 0, 'an image'],
  ['%PDF', 0, 'a PDF document'],
  ['\x1f\x8b', 0, 'a gzip archive'],
  ['PK\x03\x04', 0, 'a zip archive'],
];

function isText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte >= 32 || byte === 9 || byte === 10 || byte === 13);
}
