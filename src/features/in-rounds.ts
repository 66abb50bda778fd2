/** Features of recordings, some at a time: stored ones are looked up, others read, encoded and stored. */
import { type DamageReport, type Recording, readRecording } from '../data/recording.ts';
import type { RecordingMemo } from './recording-memo.ts';

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
  /** Key of its features; undefined where nothing is stored. */
  readonly key: string | undefined;
}

/** Where features come from. */
export interface FeatureSource<T> {
  /** Recordings read, encoded and stored together: so many are in memory. */
  readonly perRound: number;
  /** Keys of recordings; undefined where nothing is stored. */
  readonly memo: Pick<RecordingMemo, 'keyOf' | 'flush'> | undefined;
  /** Of files that are cut off or damaged, when they are read. */
  readonly damage?: DamageReport | undefined;
  /** Looks up stored features. */
  readonly find: (key: string) => Promise<T | undefined>;
  /** Looks for what other processes have stored meanwhile. */
  readonly refresh?: (() => Promise<void>) | undefined;
  /** Encodes and stores missing features. */
  readonly encode: (
    missing: readonly Missing[],
    onProgress: (done: number) => void,
    signal: AbortSignal | undefined,
  ) => Promise<readonly T[]>;
}

/** Features in the order of the recordings; undefined where one could not be read. */
export async function inRounds<T extends object>(
  recordings: readonly Recording[],
  source: FeatureSource<T>,
  { onProgress, onError, signal }: RoundHandlers,
): Promise<(T | undefined)[]> {
  const results: (T | undefined)[] = [];
  let failure: unknown;
  const goOn = (): void => {
    signal?.throwIfAborted();
    if (failure) throw failure;
  };
  const read = (start: number): Promise<Round<T>> => {
    const round = readRound(recordings.slice(start, start + source.perRound), source, goOn);
    // Nobody waits for it where the round before it fails.
    round.catch(() => {});
    return round;
  };
  let next = read(0);
  try {
    for (let start = 0; start < recordings.length; start += source.perRound) {
      const round = await next;
      // Its files are decoded here while the computing thread encodes this one.
      if (start + source.perRound < recordings.length) next = read(start + source.perRound);
      const found = await encodeRound(round, source, {
        signal,
        onProgress: (done) => onProgress?.(start + done),
      });
      for (const [i, one] of found.entries()) {
        if (!(one instanceof Error)) results.push(one);
        else if (onError) {
          onError(recordings[start + i]!.files[0]!, one);
          results.push(undefined);
        } else throw one;
      }
      onProgress?.(start + found.length);
    }
  } catch (error) {
    failure = error;
    throw error;
  }
  await source.memo?.flush();
  source.damage?.end();
  return results;
}

/** Features of a few recordings, encoded together; an error in the place of one that cannot be read. */
export async function oneRound<T extends object>(
  recordings: readonly Recording[],
  source: FeatureSource<T>,
): Promise<(T | Error)[]> {
  return encodeRound(await readRound(recordings, source), source);
}

/** Recordings of a round: their stored features, errors of those that cannot be read, and what is to be encoded. */
interface Round<T> {
  readonly results: (T | Error | undefined)[];
  readonly missing: readonly (Missing & { readonly index: number })[];
}

/** @param goOn called between recordings; throws where nobody waits for the round any more */
async function readRound<T extends object>(
  recordings: readonly Recording[],
  { memo, damage, find }: FeatureSource<T>,
  goOn: () => void = () => {},
): Promise<Round<T>> {
  goOn();
  const results: (T | Error | undefined)[] = await Promise.all(
    recordings.map(async (recording) => {
      const key = await keyOf(memo, recording);
      return key === undefined ? undefined : find(key);
    }),
  );
  const missing: (Missing & { index: number })[] = [];
  for (const [index, recording] of recordings.entries()) {
    if (results[index] !== undefined) continue;
    goOn();
    try {
      const samples = await readRecording(recording, damage?.add);
      missing.push({ index, recording, samples, key: await keyOf(memo, recording) });
    } catch (error) {
      results[index] = error as Error;
    }
  }
  return { results, missing };
}

async function encodeRound<T extends object>(
  { results, missing: unknown }: Round<T>,
  { find, refresh, encode }: FeatureSource<T>,
  { onProgress, signal }: Pick<RoundHandlers, 'onProgress' | 'signal'> = {},
): Promise<(T | Error)[]> {
  const missing: (typeof unknown)[number][] = [];
  if (unknown.length > 0) await refresh?.();
  for (const one of unknown) {
    // The round before, or another process, may have had the same recording.
    const found = one.key === undefined ? undefined : await find(one.key);
    if (found) results[one.index] = found;
    else missing.push(one);
  }
  if (missing.length > 0) {
    const before = results.length - missing.length;
    const features = await encode(missing, (done) => onProgress?.(before + done), signal);
    missing.forEach(({ index }, i) => {
      results[index] = features[i];
    });
  }
  return results as (T | Error)[];
}

/** Reading reports a file that does not open. */
const keyOf = (memo: FeatureSource<unknown>['memo'], recording: Recording): Promise<string | undefined> =>
  memo ? memo.keyOf(recording).catch(() => undefined) : Promise.resolve(undefined);
