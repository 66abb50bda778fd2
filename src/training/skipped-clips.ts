/** Clips that a training leaves out, counted by reason, with the first names: a line each, however many they are. */
import { basename } from 'node:path';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { type Clip, referenceIn } from '../data/clip.ts';
import { MAX_SECONDS } from '../data/recording.ts';
import type { MeasuredClip } from './example-speech.ts';

/** Names in a line. */
const NAMED = 3;
/** A recording that is cut by less loses no word of its text: the padding of MP3, a breath. */
const TOLERANCE_SECONDS = 0.5;

export class SkippedClips {
  readonly #reasons = new Map<string, { count: number; readonly names: string[] }>();

  add(clip: Clip, reason: string): void {
    const known = this.#reasons.get(reason) ?? { count: 0, names: [] };
    this.#reasons.set(reason, known);
    known.count++;
    const name = clip.audio === '' ? quoted(referenceIn(clip, 'en')) : basename(clip.audio);
    if (known.names.length < NAMED && !known.names.includes(name)) known.names.push(name);
  }

  /** Number of clips by reason, each with its first names. */
  counts(): Map<string, number> {
    return new Map(
      [...this.#reasons].map(([reason, { count, names }]) => {
        const more = count > names.length ? ', …' : '';
        return [`${reason} (${names.join(', ')}${more})`, count];
      }),
    );
  }
}

const quoted = (text: string): string => `"${text.slice(0, 20)}${text.length > 20 ? '…' : ''}"`;

/** The clips whose sound fits the window. Of a longer one the text would be trained on without its sound. */
export function clipsOfWindow<C extends Clip>(
  clips: readonly MeasuredClip<C>[],
  skipped: SkippedClips,
): MeasuredClip<C>[] {
  return clips.filter(({ clip, samples }) => {
    const fits = samples <= (MAX_SECONDS + TOLERANCE_SECONDS) * SAMPLE_RATE;
    if (!fits) skipped.add(clip, `longer than ${MAX_SECONDS} s with the text of all of it`);
    return fits;
  });
}
