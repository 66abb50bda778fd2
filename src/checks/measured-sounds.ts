/** Measures of recordings, kept in the cache by path, size and time, so that a check that was stopped goes on, and a second one is quick. */
import { join } from 'node:path';
import { locateAudio, statAudio } from '../audio/audio-file.ts';
import { gunzipped } from '../audio/gunzipped.ts';
import { defaultThreads } from '../backend/threads.ts';
import { UserError } from '../errors.ts';
import { RECORDINGS } from '../features/cached-shards.ts';
import { keepArchivesIn, placeOf } from '../features/recording-memo.ts';
import { type ShardRecord, Shards } from '../features/shards.ts';
import { isGzipped } from '../files/tar.ts';
import { MEASURES, measureSound, type SoundMeasures } from './measure-sound.ts';
import { MeasuringThreads } from './measuring-threads.ts';

/** Records written together, and how long the first one waits, ms: so much is measured again after a kill. */
const PENDING = 64;
const MAX_WAIT_MS = 5_000;
/** Recordings for each thread: fewer are measured sooner than it begins. */
const LEAST_PER_THREAD = 32;
/** In work at the same time, for each thread: one is read while another is computed on. */
const AT_ONCE = 4;

/** A recording that is not there, or does not decode. */
export interface NoSound {
  readonly kind: 'missing' | 'unreadable';
  readonly reason: string;
}

export class MeasuredSounds {
  #pending: ShardRecord[] = [];
  #since = 0;

  readonly #threads: MeasuringThreads | undefined;
  /** Recordings to be asked for at the same time. */
  readonly atOnce: number;
  readonly #stop = (): void => void this.#threads?.close();

  private constructor(
    private readonly shards: Shards | undefined,
    recordings: number,
    private readonly signal: AbortSignal | undefined,
  ) {
    const threads = Math.min(defaultThreads(), Math.floor(recordings / LEAST_PER_THREAD));
    this.#threads = threads > 1 ? new MeasuringThreads(threads) : undefined;
    this.atOnce = AT_ONCE * Math.max(1, threads);
    signal?.addEventListener('abort', this.#stop);
  }

  /**
   * @param cache folder; undefined: nothing is kept
   * @param recordings that will be asked for: many are measured by as many threads as there are processors
   */
  static async open(
    cache: string | undefined,
    recordings: number,
    signal?: AbortSignal,
  ): Promise<MeasuredSounds> {
    keepArchivesIn(cache);
    const shards =
      cache === undefined ? undefined : await Shards.open(join(cache, RECORDINGS, 'measures'), { cache });
    return new MeasuredSounds(shards, recordings, signal);
  }

  async of(audio: string): Promise<SoundMeasures | NoSound> {
    const key = await keyOf(audio);
    const known = key && (await this.shards?.read(key));
    if (known) return JSON.parse(known.payload.toString('utf8')) as SoundMeasures;
    try {
      const measures = await this.#measure(audio);
      if (key) await this.#keep(key, measures);
      return measures;
    } catch (error) {
      this.signal?.throwIfAborted();
      if (!(error instanceof UserError)) throw error;
      const { message } = error;
      const reason = message.startsWith(`${audio}: `) ? message.slice(audio.length + 2) : message;
      return { kind: /found no such file/.test(reason) ? 'missing' : 'unreadable', reason };
    }
  }

  async #measure(audio: string): Promise<SoundMeasures> {
    if (!this.#threads) return measureSound(audio, this.signal);
    const { file, part } = await locateAudio(audio);
    // Once, not by each thread.
    if (isGzipped(file)) await gunzipped(file);
    this.signal?.throwIfAborted();
    return this.#threads.measure(audio, part && file);
  }

  async #keep(key: string, measures: SoundMeasures): Promise<void> {
    if (!this.shards || this.shards.refusal !== undefined) return;
    if (this.#pending.length === 0) this.#since = Date.now();
    this.#pending.push({ key, about: new Uint8Array(), payload: Buffer.from(JSON.stringify(measures)) });
    if (this.#pending.length >= PENDING || Date.now() - this.#since > MAX_WAIT_MS) await this.#flush();
  }

  /** Ends the threads, and writes what was measured. */
  async close(): Promise<void> {
    this.signal?.removeEventListener('abort', this.#stop);
    await this.#threads?.close();
    await this.#flush();
  }

  /** Writes what was measured since the last time. */
  async #flush(): Promise<void> {
    const records = this.#pending;
    this.#pending = [];
    await this.shards?.add(records);
  }
}

/** A file, or the archive or table of a reference, as it is now: another size or time is another. Undefined where there is none. */
async function keyOf(audio: string): Promise<string | undefined> {
  const found = await statAudio(audio).catch(() => undefined);
  return found?.isFile() ? placeOf(`measures ${MEASURES}\n${audio}`, found) : undefined;
}
