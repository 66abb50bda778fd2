/** Clips that a training leaves out, counted by reason, with the first names: a line each, however many they are. */
import { basename } from 'node:path';
import { audioDuration } from '../audio/audio-file.ts';
import type { Clip } from '../data/clip.ts';
import { MAX_SECONDS } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';

/** Names in a line. */
const NAMED = 3;
/** A recording that is cut by less loses no word of its text: the padding of MP3, a breath. */
const TOLERANCE_SECONDS = 0.5;
/** Headers that are read at a time. */
const AT_ONCE = 16;

export class SkippedClips {
  readonly #reasons = new Map<string, { count: number; readonly names: string[] }>();

  add({ audio }: Clip, reason: string): void {
    const known = this.#reasons.get(reason) ?? { count: 0, names: [] };
    this.#reasons.set(reason, known);
    known.count++;
    const name = basename(audio);
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

/**
 * The clips whose sound fits the window. Of a longer one the text would be learnt without its sound. Lengths are the
 * manifest's or, without it, those of the files' headers.
 */
export async function clipsOfWindow<C extends Clip>(
  clips: readonly C[],
  skipped: SkippedClips,
  work: WorkOptions,
): Promise<C[]> {
  const unknown = clips.filter(({ duration }) => Number.isNaN(duration)).length;
  const progress = unknown > 0 ? stageProgress(work, 'reading lengths', unknown) : () => {};
  const lengths = new Map<string, number>();
  let done = 0;
  const waiting = clips.values();
  const read = async (): Promise<void> => {
    for (const { audio, duration } of waiting) {
      if (!Number.isNaN(duration) || lengths.has(audio)) continue;
      work.signal?.throwIfAborted();
      lengths.set(audio, 0);
      lengths.set(audio, await lengthOf(audio));
      progress(++done);
    }
  };
  if (unknown > 0) await Promise.all(Array.from({ length: AT_ONCE }, read));
  return clips.filter((clip) => {
    const seconds = Number.isNaN(clip.duration) ? lengths.get(clip.audio)! : clip.duration;
    const fits = seconds <= MAX_SECONDS + TOLERANCE_SECONDS;
    if (!fits) skipped.add(clip, `longer than ${MAX_SECONDS} s with the text of all of it`);
    return fits;
  });
}

/** 0 for what cannot be read, which is reported where it is read. */
async function lengthOf(file: string): Promise<number> {
  try {
    return await audioDuration(file);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return 0;
  }
}
