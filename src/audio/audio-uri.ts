/** Recordings embedded in a page. */
import { readFile, stat } from 'node:fs/promises';
import { detectFormat } from './formats.ts';
import { tagLength } from './tags.ts';

/** Limit of an embedded recording: larger ones would make the page slow to open. */
const MAX_AUDIO_BYTES = 300_000;

/** Formats that browsers play, by the names of AudioFormat. */
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  WAV: 'audio/wav',
  MP3: 'audio/mpeg',
  'Ogg Opus': 'audio/ogg',
  'Ogg Vorbis': 'audio/ogg',
};

/** The unchanged file as a `data:` URI, where browsers play its format; else the reason why not. */
export async function audioUri(file: string): Promise<{ uri: string } | { missing: string }> {
  const { size } = await stat(file);
  if (size > MAX_AUDIO_BYTES)
    return { missing: `${Math.round(size / 1000)} kB, too long to be inside the page` };
  const bytes = await readFile(file);
  const format = detectFormat(bytes.subarray(tagLength(bytes)));
  const type = typeof format === 'string' ? undefined : MEDIA_TYPES[format.name];
  if (!type) return { missing: 'of a kind that is not put into the page (Ogg, WAV and MP3 are)' };
  return { uri: `data:${type};base64,${bytes.toString('base64')}` };
}
