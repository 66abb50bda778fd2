/** Recordings embedded in a page. */
import { readFile, stat } from 'node:fs/promises';
import { detectFormat, id3Length } from './formats.ts';

/** Limit of an embedded recording: larger ones would make the page slow to open. */
const MAX_AUDIO_BYTES = 300_000;

const MEDIA_TYPES: readonly [string, string][] = [
  ['OggS', 'audio/ogg'],
  ['RIFF', 'audio/wav'],
];

/** The unchanged file as a `data:` URI, where browsers play its format; else the reason why not. */
export async function audioUri(file: string): Promise<{ uri: string } | { missing: string }> {
  const { size } = await stat(file);
  if (size > MAX_AUDIO_BYTES)
    return { missing: `${Math.round(size / 1000)} kB, too long to be inside the page` };
  const bytes = await readFile(file);
  const start = bytes.toString('latin1', 0, 4);
  const mpeg = typeof detectFormat(bytes.subarray(id3Length(bytes))) !== 'string' && start !== 'fLaC';
  const type = MEDIA_TYPES.find(([magic]) => start === magic)?.[1] ?? (mpeg ? 'audio/mpeg' : undefined);
  if (!type) return { missing: 'of a kind that is not put into the page (Ogg, WAV and MP3 are)' };
  return { uri: `data:${type};base64,${bytes.toString('base64')}` };
}
