/** Lengths of recordings before they are read: from the manifest, else from the headers of the files. */
import { audioDuration, statAudio } from '../audio/audio-file.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { type ClipFiles, clipFiles, GAP_SECONDS } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import type { RecordingMemo } from './recording-memo.ts';

/** Files looked at together. */
const FILES_AT_ONCE = 64;

export interface RecordingLengthsOptions {
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Called with the reason, one line, where a file of a clip is missing or no audio. */
  readonly onSkip?: ((reason: string) => void) | undefined;
  /** Called with each file of a clip and its size in bytes. */
  readonly onFile?: ((clip: number, file: string, bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Samples at 16 kHz of each clip, undefined where a file of it is missing or no audio. The manifest's `duration_s` counts
 * where it is there, in every run alike: files are then only looked up, not opened.
 */
export async function recordingLengths(
  memo: RecordingMemo,
  clips: readonly ClipFiles[],
  { onProgress, onSkip, onFile, signal }: RecordingLengthsOptions = {},
): Promise<(number | undefined)[]> {
  const lengths: (number | undefined)[] = [];
  for (let start = 0; start < clips.length; start += FILES_AT_ONCE) {
    signal?.throwIfAborted();
    const some = clips.slice(start, start + FILES_AT_ONCE);
    const found = await Promise.all(
      some.map((clip, i) =>
        lengthOf(memo, clip, (file, bytes) => onFile?.(start + i, file, bytes)).catch(
          (error: Error) => error,
        ),
      ),
    );
    for (const one of found) {
      if (one instanceof Error && !(one instanceof UserError)) throw one;
      if (one instanceof Error) onSkip?.(one.message);
      lengths.push(one instanceof Error ? undefined : one);
    }
    onProgress?.(lengths.length);
  }
  await memo.flush();
  return lengths;
}

async function lengthOf(
  memo: RecordingMemo,
  clip: ClipFiles,
  onFile: (file: string, bytes: number) => void,
): Promise<number> {
  const files = clipFiles(clip);
  const isKnown = !Number.isNaN(clip.duration);
  const lengths = await Promise.all(
    files.map(async (file) => {
      const found = await statAudio(file).catch(() => undefined);
      if (found) onFile(file, found.size);
      if (!isKnown) return memo.samplesOf(file, found);
      // Its message says what is wrong with the file.
      if (!found?.isFile() || found.size === 0) await audioDuration(file);
      return 0;
    }),
  );
  if (isKnown) return Math.round(SAMPLE_RATE * clip.duration);
  const gaps = (files.length - 1) * GAP_SECONDS * SAMPLE_RATE;
  return lengths.reduce((sum, length) => sum + length, gaps);
}
