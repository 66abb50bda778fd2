/** Features of recordings, some at a time: stored ones are looked up, others read, encoded and stored. */
import { stat } from 'node:fs/promises';
import { type Recording, readRecording } from '../data/recording.ts';
import { Fingerprint } from '../files/fingerprint.ts';

export interface RoundHandlers {
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Called with a clip that cannot be read. Default: it ends the run. */
  readonly onError?: ((file: string, error: Error) => void) | undefined;
  /** Aborts between two clips or encoder runs (abort.ts); stored features stay. */
  readonly signal?: AbortSignal | undefined;
}

/** A recording whose features are not stored. */
export interface Missing {
  readonly recording: Recording;
  /** 16 kHz mono */
  readonly samples: Float32Array;
  /** Name of its entry; undefined where its file does not open. */
  readonly entry: string | undefined;
}

export interface RoundOptions<T> extends RoundHandlers {
  /** Recordings read, encoded and stored together: so many are in memory. */
  readonly perRound: number;
  /** Looks up the features stored under an entry's name. */
  readonly find: (entry: string) => Promise<T | undefined>;
  /** Encodes and stores missing features. */
  readonly encode: (missing: readonly Missing[], onProgress: (done: number) => void) => Promise<readonly T[]>;
}

/** Features in the order of the recordings; undefined where one could not be read. */
export async function inRounds<T>(
  recordings: readonly Recording[],
  { perRound, find, encode, onProgress, onError, signal }: RoundOptions<T>,
): Promise<(T | undefined)[]> {
  const results: (T | undefined)[] = new Array(recordings.length).fill(undefined);
  for (let start = 0; start < recordings.length; start += perRound) {
    const end = Math.min(recordings.length, start + perRound);
    const missing: (Missing & { index: number })[] = [];
    for (let index = start; index < end; index++) {
      const recording = recordings[index]!;
      signal?.throwIfAborted();
      try {
        // Reading reports a missing file.
        const entry = await entryName(recording).catch(() => undefined);
        if (entry !== undefined) results[index] = await find(entry);
        if (results[index] === undefined) {
          missing.push({ index, recording, samples: await readRecording(recording), entry });
        }
      } catch (error) {
        if (!onError) throw error;
        onError(recording.files[0]!, error as Error);
      }
    }
    if (missing.length > 0) {
      const features = await encode(missing, (done) => onProgress?.(end - missing.length + done));
      missing.forEach(({ index }, i) => {
        results[index] = features[i];
      });
    }
    onProgress?.(end);
  }
  return results;
}

/** Name of a recording's entry, which depends on the file's time and size and on the augmented version. */
export async function entryName({ files, version }: Recording): Promise<string> {
  const hash = new Fingerprint();
  for (const [i, file] of files.entries()) {
    const { size, mtimeMs } = await stat(file);
    hash.add(`${i > 0 ? '\n' : ''}${file}\n${size}\n${mtimeMs}`);
  }
  if (version) hash.add(`\n${version.augmentation.fingerprint}\n${version.name}\n${version.number}`);
  return `${hash.hex(32)}.f16`;
}
