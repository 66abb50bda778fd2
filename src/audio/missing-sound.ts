/** What is missing of a sound that is cut off or damaged, and the words for it. */

export interface MissingSound {
  /** Length of the whole sound by its header, seconds; undefined where the header does not say, as in live recordings. */
  readonly promised?: number | undefined;
  /** Whether the bytes end within the sound. */
  readonly cut?: boolean | undefined;
  /** Whether nothing decodes from some place to the end of the bytes. */
  readonly lost?: boolean | undefined;
  /** Places in it that do not decode. */
  readonly damaged?: number | undefined;
  /** Whether another file was joined to it, which is not read. */
  readonly joined?: boolean | undefined;
  /** What another program says of its damage. */
  readonly words?: string | undefined;
}

/** Lengths of headers are rounded, and encoders add some samples; seconds. */
const TOLERANCE = 0.1;

/**
 * "cut off: 12.3 of 30.0 s", "damaged in 2 places", or both; undefined where nothing is missing.
 * @param seconds that decode
 */
export function describeMissing(
  seconds: number,
  { promised = 0, cut, lost, damaged = 0, joined, words }: MissingSound,
): string | undefined {
  const short = promised > seconds + TOLERANCE;
  const length = `${seconds.toFixed(1)}${short ? ` of ${promised.toFixed(1)}` : ''} s`;
  const parts: string[] = [];
  if (lost) parts.push(`damaged: nothing decodes after ${length}`);
  // Damage within the sound makes it shorter than promised, too.
  else if (cut || (short && damaged === 0)) parts.push(`cut off${short ? ':' : ' after'} ${length}`);
  if (damaged > 0) parts.push(`damaged in ${damaged} place${damaged === 1 ? '' : 's'}`);
  if (words) parts.push(`damaged: ffmpeg says "${words}"`);
  if (joined) parts.push('another file is joined to it, which is not read');
  return parts.length > 0 ? parts.join('; ') : undefined;
}
