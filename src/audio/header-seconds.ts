/** Length of a recording by its headers. */
import { blocksFrom, type FileBytes, fromByte } from './file-bytes.ts';
import { type AudioFormat, detectFormat } from './formats.ts';
import { leadingLength } from './tags.ts';

/** Seconds of what decoding gives; undefined where the headers cannot tell, or decoding is an error. */
export async function headerSeconds(file: FileBytes): Promise<number | undefined> {
  const { sound, head } = await afterTags(file);
  const format = detectFormat(head);
  if (typeof format === 'string' || 'found' in format) return undefined;
  const seconds =
    'openTrack' in format || format.duration
      ? await format.duration!(sound)
      : await secondsOfDecoder(format, sound);
  return seconds !== undefined && seconds > 0 && Number.isFinite(seconds) ? seconds : undefined;
}

/** A file from where its sound begins, and its first bytes. */
export async function afterTags(file: FileBytes): Promise<{ sound: FileBytes; head: Uint8Array }> {
  let sound = file;
  let head = await sound.read(0, HEAD_BYTES);
  for (;;) {
    const length = leadingLength(head, sound !== file);
    if (length === 0 || length >= sound.size) return { sound, head };
    sound = fromByte(sound, length);
    head = await sound.read(0, HEAD_BYTES);
  }
}

/** Enough for the headers of most files; detection may look at as much as decodeAudio gives it. */
const HEAD_BYTES = 64 * 1024;

/** What a decoder says once it has read the header. */
async function secondsOfDecoder({ open }: AudioFormat, file: FileBytes): Promise<number | undefined> {
  const decoder = await open(file.size);
  try {
    for await (const block of blocksFrom(file)) {
      await decoder.decode(block);
      const seconds = decoder.seconds?.();
      if (seconds !== undefined) return seconds;
    }
    return undefined;
  } catch {
    return undefined; // decoding says what is wrong
  } finally {
    decoder.free();
  }
}
