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
 * Lengths of the clips that the manifest gives none for, from the headers of their files: seconds by path.
 */
export async function missingLengths(
  clips: readonly Clip[],
  work: WorkOptions,
): Promise<ReadonlyMap<string, number>> {
  const files = new Set(clips.filter(({ duration }) => Number.isNaN(duration)).map(({ audio }) => audio));
  const lengths = new Map<string, number>();
  if (files.size === 0) return lengths;
  const progress = stageProgress(work, 'reading lengths', files.size);
  const waiting = files.values();
  const read = async (): Promise<void> => {
    for (const audio of waiting) {
      lengths.set(audio, await lengthOf(audio));
      progress(lengths.size);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, read));
  return lengths;
}

/** The clips whose sound fits the window. Of a longer one the text would be trained on without its sound. */
export function clipsOfWindow<C extends Clip>(
  clips: readonly C[],
  lengths: ReadonlyMap<string, number>,
  skipped: SkippedClips,
): C[] {
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
