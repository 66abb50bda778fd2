// Recordings of one voice joined, without the silence at their ends.
import { readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import { readAudio } from '../../dist/audio/audio-file.js';
import { joinSamples } from '../../dist/audio/join-samples.js';

/** Without the silence at its ends. @param {Float32Array} samples */
export function trimmed(samples) {
  const quiet = 0.03 * samples.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);
  let [start, end] = [0, samples.length];
  while (start < end && Math.abs(samples[start]) < quiet) start++;
  while (end > start && Math.abs(samples[end - 1]) < quiet) end--;
  return samples.slice(Math.max(0, start - 800), Math.min(samples.length, end + 800));
}

/** Trimmed, and as loud as all others (mean square of -26 dB), so that loudness tells nothing. @param {Float32Array} samples */
export function level(samples) {
  const part = trimmed(samples);
  const power = part.reduce((sum, value) => sum + value * value, 0) / Math.max(1, part.length);
  return part.map((value) => (0.05 * value) / Math.sqrt(power || 1));
}

/**
 * Trimmed recordings one after the other.
 * @param {readonly string[]} files
 * @param {number} seconds at least, where there are so many
 */
export async function soundOf(files, seconds, prepared = trimmed) {
  const parts = [];
  for (let at = 0, length = 0; at < files.length && length < seconds * 16_000; at++) {
    const part = prepared(await readAudio(files[at]));
    parts.push(part);
    length += part.length;
  }
  return joinSamples(parts);
}

/** Recordings by voice, one voice a folder. @param {string} folder @returns {Map<string, string[]>} */
export function voicesIn(folder) {
  const voices = new Map();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    const voice = file.split(sep)[0];
    if (/\.(ogg|opus|mp3|wav|flac)$/.test(file)) voices.set(voice, [...(voices.get(voice) ?? []), join(folder, file)]);
  }
  return voices;
}

/**
 * Windows of a voice, of equal loudness, from its recordings joined.
 * @param {readonly string[]} files
 * @param {{ seconds: number, count: number }} options count: at most
 */
export async function voiceWindows(files, { seconds, count }) {
  const length = seconds * 16_000;
  const sound = await soundOf(files, seconds * count, level);
  return Array.from({ length: Math.min(count, Math.floor(sound.length / length)) }, (_, i) => sound.slice(i * length, (i + 1) * length));
}
