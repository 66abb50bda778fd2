/** Recordings embedded in a page. */
import type { Player } from '../report/clip-card.ts';
import { audioBytes, audioDuration, locateAudio, readAudio } from './audio-file.ts';
import { detectFormat } from './formats.ts';
import { SAMPLE_RATE } from './sample-rate.ts';
import { tagLength } from './tags.ts';
import { wavBytes } from './wav-write.ts';

/** Limit of an embedded recording: larger ones would make the page slow to open. */
const MAX_AUDIO_BYTES = 300_000;

/** Formats that browsers play, by the names of AudioFormat. */
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  WAV: 'audio/wav',
  MP3: 'audio/mpeg',
  MP4: 'audio/mp4',
  AAC: 'audio/aac',
  'Ogg Opus': 'audio/ogg',
  'Ogg Vorbis': 'audio/ogg',
};

/**
 * A recording as a `data:` URI: its unchanged bytes, where browsers play its format; of a part of a recording, what is
 * heard, as WAV of 16 kHz. Else the reason why not.
 */
export async function audioUri(audio: string): Promise<Player> {
  if ((await locateAudio(audio)).part) {
    const size = 2 * SAMPLE_RATE * (await audioDuration(audio));
    return size > MAX_AUDIO_BYTES ? tooLong(size) : uriOf('audio/wav', wavBytes(await readAudio(audio)));
  }
  const bytes = await audioBytes(audio, MAX_AUDIO_BYTES);
  if (typeof bytes === 'number') return tooLong(bytes);
  const format = detectFormat(bytes.subarray(tagLength(bytes)));
  const type = typeof format === 'string' || 'found' in format ? undefined : MEDIA_TYPES[format.name];
  if (!type) return { missing: 'of a kind that is not put into the page (Ogg, WAV, MP3, AAC and MP4 are)' };
  return uriOf(type, bytes);
}

const tooLong = (bytes: number) => ({
  missing: `${Math.round(bytes / 1000)} kB, too long to be inside the page`,
});

const uriOf = (type: string, bytes: Uint8Array) => ({
  uri: `data:${type};base64,${Buffer.from(bytes).toString('base64')}`,
});
