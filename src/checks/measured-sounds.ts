/** Measures of recordings, kept in the cache by path, size and time, so that a check that was stopped goes on, and a second one is quick. */
import { join } from 'node:path';
import { statAudio } from '../audio/audio-file.ts';
import { UserError } from '../errors.ts';
import { RECORDINGS } from '../features/cached-shards.ts';
import { placeOf } from '../features/recording-memo.ts';
import { type ShardRecord, Shards } from '../features/shards.ts';
import { MEASURES, measureSound, type SoundMeasures } from './measure-sound.ts';

/** Records written together, and how long the first one waits, ms: so much is measured again after a kill. */
const PENDING = 64;
const MAX_WAIT_MS = 5_000;

/** A recording that is not there, or does not decode. */
export interface NoSound {
  readonly kind: 'missing' | 'unreadable';
  readonly reason: string;
}

export class MeasuredSounds {
  #pending: ShardRecord[] = [];
  #since = 0;

  private constructor(private readonly shards: Shards | undefined) {}

  /** @param cache folder; undefined: nothing is kept */
  static async open(cache: string | undefined): Promise<MeasuredSounds> {
    if (cache === undefined) return new MeasuredSounds(undefined);
    return new MeasuredSounds(await Shards.open(join(cache, RECORDINGS, 'measures'), { cache }));
  }

  async of(audio: string, signal?: AbortSignal): Promise<SoundMeasures | NoSound> {
    const key = await keyOf(audio);
    const known = key && (await this.shards?.read(key));
    if (known) return JSON.parse(known.payload.toString('utf8')) as SoundMeasures;
    try {
      const measures = await measureSound(audio, signal);
      if (key) await this.#keep(key, measures);
      return measures;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof UserError)) throw error;
      const { message } = error;
      const reason = message.startsWith(`${audio}: `) ? message.slice(audio.length + 2) : message;
      return { kind: /found no such file/.test(reason) ? 'missing' : 'unreadable', reason };
    }
  }

  async #keep(key: string, measures: SoundMeasures): Promise<void> {
    if (!this.shards || this.shards.refusal !== undefined) return;
    if (this.#pending.length === 0) this.#since = Date.now();
    this.#pending.push({ key, about: new Uint8Array(), payload: Buffer.from(JSON.stringify(measures)) });
    if (this.#pending.length >= PENDING || Date.now() - this.#since > MAX_WAIT_MS) await this.flush();
  }

  /** Writes what was measured since the last time. */
  async flush(): Promise<void> {
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
