// Ogg Opus through opusenc (Debian: opus-tools), and back through the decoder that the package itself uses.

import { execFileSync } from 'node:child_process';
import { readAudio } from '../../dist/audio/audio-file.js';

function wav(samples, sampleRate) {
  const header = Buffer.alloc(44);
  const bytes = samples.length * 2;
  header.write('RIFF', 0);
  header.writeUInt32LE(36 + bytes, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20); // PCM
  header.writeUInt16LE(1, 22); // mono
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36);
  header.writeUInt32LE(bytes, 40);
  return Buffer.concat([header, Buffer.from(samples.buffer, samples.byteOffset, bytes)]);
}

/** Mono samples and their rate. */
export async function decodeFile(path) {
  const samples = await readAudio(path);
  return { samples, sampleRate: 16_000, seconds: samples.length / 16_000 };
}

/** Writes Int16 samples as Opus at 18 kbit/s; the fixed serial number makes the file the same every time. */
export function encodeFile(path, samples, sampleRate) {
  const flags = ['--quiet', '--speech', '--bitrate', '18', '--padding', '0', '--serial', '1'];
  execFileSync('opusenc', [...flags, '-', path], { input: wav(samples, sampleRate) });
}

export const toInt16 = (floats) =>
  Int16Array.from(floats, (x) => Math.round(Math.max(-1, Math.min(1, x)) * 32_767));
