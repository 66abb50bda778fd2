/** Encoder outputs of recordings: read from the cache or from memory, or encoded when they are needed. */

import { join } from 'node:path';
import { damageReport, maskMel, type OnDamage, type Recording } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { freeDisk } from '../files/free-disk.ts';
import { exists } from '../files/read.ts';
import { writeJson } from '../files/write-whole.ts';
import { formatNumber } from '../report/format.ts';
import {
  type EncodedClip,
  SAMPLES_PER_FRAME,
  type WindowMode,
  windowFrames,
} from '../whisper/encoded-clip.ts';
import type { Lazy } from '../whisper/lazy.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { CacheRoom } from './cache-room.ts';
import { ABOUT_FILE } from './cached-shards.ts';
import {
  type CacheDtype,
  type EncodedShape,
  encodedBytes,
  encodedClip,
  encodedRecord,
  encodedShape,
} from './encoded-record.ts';
import { type FeatureSource, inRounds, type Missing, oneRound, type RoundHandlers } from './in-rounds.ts';
import { RecordingMemo } from './recording-memo.ts';
import { HEADER_BYTES, Shards } from './shards.ts';

/** Clips read, encoded and written together; more only takes more memory. */
export const CLIPS_PER_ROUND = 64;
/** Rounds in a row without a clip to encode after which the compiled encoder is freed; it compiles in a second. */
const IDLE_ROUNDS = 32;
/** Outputs held in memory, bytes: with a cache, which the system keeps in its own memory, and without. */
const HELD_WITH_CACHE = 2 ** 28;
export const HELD_WITHOUT = 2 ** 30;

/** So many are looked up in no time. */
const FEW_CLIPS = 10_000;

/** What other processes have encoded meanwhile is looked for so often: a folder is listed, and indexes that grew are read. */
const REFRESHED_EVERY_MS = 5_000;

const DONE: EncodedShape = { window: 0, length: 0, width: 0 };

/** Version of the outputs: raise it with every change of them. */
const ENCODING = 3;
const FORMER_ENCODING = 2;

/** Where encoder outputs are kept between runs. */
export interface CacheOptions {
  /** Folder. Default: none. */
  readonly cache?: string | undefined;
  /** Number format of kept outputs; int8 has a scale for each frame and half the size. Default 'float16'. */
  readonly cacheDtype?: CacheDtype | undefined;
  /** Largest size of the folder, in bytes: beyond it the oldest outputs are dropped. Default: no limit. */
  readonly cacheLimit?: number | undefined;
}

export interface EncoderOutputsOptions extends CacheOptions {
  readonly window: WindowMode;
  /** Outputs held in memory, bytes. Default: 256 MB with a cache, 1 GB without. */
  readonly maxBytes?: number | undefined;
  /** Called with a line, also for recordings that are cut off or damaged. */
  readonly onNote?: ((note: string) => void) | undefined;
  /** Called with each recording that is cut off or damaged. Default: notes on the first ones, and on their number. */
  readonly onDamage?: OnDamage | undefined;
}

/** Folder name of this encoder's outputs in such windows. */
export async function encodingName(
  model: WhisperModel,
  window: WindowMode,
  encoding = ENCODING,
): Promise<string> {
  return `${await model.encoderFingerprint()}-${window}-${encoding}`;
}

interface OutputRequest {
  readonly recording: Recording;
  readonly settle: (clip: EncodedClip | Error) => void;
}

/**
 * Values are rounded to the number format of the cache whether or not they come from it, so that a run does not depend on
 * what ran before it.
 */
export class EncoderOutputs {
  readonly #source: FeatureSource<EncodedClip>;
  #held = 0;
  #isRefusalNoted = false;
  #idle = 0;
  /** Requested by `lazy` clips and not yet begun. */
  #requested: OutputRequest[] = [];
  #reading: Promise<void> = Promise.resolve();

  private constructor(
    readonly model: WhisperModel,
    readonly window: WindowMode,
    readonly dtype: CacheDtype,
    readonly cache: string | undefined,
    readonly memo: RecordingMemo,
    private readonly shards: Shards | undefined,
    private readonly limit: number | undefined,
    /** Outputs held in memory, bytes. */
    readonly maxBytes: number,
    private readonly onNote: EncoderOutputsOptions['onNote'],
    onDamage: OnDamage | undefined,
  ) {
    this.#source = {
      perRound: CLIPS_PER_ROUND,
      memo: shards && { keyOf: (recording) => this.keyOf(recording), flush: () => memo.flush() },
      damage: onDamage ? { add: onDamage, end: () => {} } : damageReport(onNote),
      find: (key) => this.#find(key),
      refresh: () => shards?.refresh(REFRESHED_EVERY_MS) ?? Promise.resolve(),
      encode: (missing, onProgress, signal) => this.#encode(missing, onProgress, signal),
    };
  }

  /** @throws UserError where the cache cannot be created */
  static async open(
    model: WhisperModel,
    { window, cache, cacheDtype = 'float16', cacheLimit, maxBytes, onNote, onDamage }: EncoderOutputsOptions,
  ): Promise<EncoderOutputs> {
    const held = maxBytes ?? (cache === undefined ? HELD_WITHOUT : HELD_WITH_CACHE);
    const memo = await RecordingMemo.open(cache);
    let shards: Shards | undefined;
    if (cache !== undefined) {
      const folder = join(cache, await encodingName(model, window));
      const former = join(cache, await encodingName(model, window, FORMER_ENCODING));
      if (!(await exists(folder)) && (await exists(former))) {
        onNote?.(`${former}: encoder outputs of an earlier version, which are not read; it can be deleted`);
      }
      shards = await Shards.open(cacheDtype === 'float16' ? folder : `${folder}-${cacheDtype}`, {
        cache,
        room: limitedRoom(cache, cacheLimit, onNote),
      });
      await writeAbout(shards, model);
    }
    return new EncoderOutputs(
      model,
      window,
      cacheDtype,
      cache,
      memo,
      shards,
      cacheLimit,
      held,
      onNote,
      onDamage,
    );
  }

  /** Outputs in the order of the recordings, all in memory; undefined where one could not be read. */
  read(recordings: readonly Recording[], handlers: RoundHandlers = {}): Promise<(EncodedClip | undefined)[]> {
    return inRounds(recordings, this.#source, handlers);
  }

  /**
   * Encodes what is not in the cache. Outputs beyond the memory for them are read from the cache when they are needed,
   * identical to the bit, also after the model is closed; without a cache, or where it is full, all are in memory.
   */
  stored(
    recordings: readonly Recording[],
    handlers: RoundHandlers = {},
  ): Promise<(EncodedClip | Lazy<EncodedClip> | undefined)[]> {
    return inRounds<EncodedClip | Lazy<EncodedClip>>(
      recordings,
      {
        ...this.#source,
        find: async (key) => (this.#hasRoom() ? this.#hold(await this.#find(key)) : this.#storedClip(key)),
        encode: async (missing, onProgress, signal) => {
          const clips = await this.#encode(missing, onProgress, signal);
          return clips.map((clip, i) => {
            const { key } = missing[i]!;
            const lazy = key === undefined || this.#hasRoom() ? undefined : this.#storedClip(key);
            return lazy ?? this.#hold(clip)!;
          });
        },
      },
      handlers,
    );
  }

  /**
   * A clip that is read or encoded when it is needed, together with others that are asked for at the same time.
   * @param samples its length at 16 kHz, as it is known before the recording is read
   */
  lazy(recording: Recording, samples: number): Lazy<EncodedClip> {
    let held: EncodedClip | undefined;
    const window = windowFrames(samples, this.window);
    return {
      window,
      length: Math.min(window, Math.ceil(samples / SAMPLES_PER_FRAME)),
      width: this.model.dimensions.width,
      read: async () => {
        if (held) return held;
        const clip = await this.#request(recording);
        if (this.#hasRoom()) held = this.#hold(clip);
        return clip;
      },
    };
  }

  /** Why the cache cannot take further outputs, one line. */
  get refusal(): string | undefined {
    return this.shards?.refusal;
  }

  /** The key of a recording's outputs, beside encoder and window. */
  async keyOf(recording: Recording): Promise<string> {
    const key = await this.memo.keyOf(recording);
    const experts = this.model.encoderExperts(recording.language);
    return experts ? fingerprint(`${key}\n${await this.model.expertsFingerprint(experts)}`, 32) : key;
  }

  /**
   * Encodes what is not in the cache and holds nothing in memory.
   * @param onShape called with the shape of each clip's outputs
   */
  async fill(
    recordings: readonly Recording[],
    { onShape, ...handlers }: RoundHandlers & { readonly onShape: (shape: EncodedShape) => void },
  ): Promise<void> {
    await this.#filled(recordings, handlers, (shape) => {
      onShape(shape);
      return DONE;
    });
  }

  /** The same for a few recordings. @returns the shapes of their outputs; undefined where one could not be read */
  shapes(
    recordings: readonly Recording[],
    handlers: RoundHandlers = {},
  ): Promise<(EncodedShape | undefined)[]> {
    return this.#filled(recordings, handlers, (shape) => shape);
  }

  #filled(
    recordings: readonly Recording[],
    handlers: RoundHandlers,
    told: (shape: EncodedShape) => EncodedShape,
  ): Promise<(EncodedShape | undefined)[]> {
    return inRounds<EncodedShape>(
      recordings,
      {
        ...this.#source,
        find: async (key) => {
          const about = this.shards?.about(key);
          return about && told(encodedShape(about));
        },
        encode: async (...args) => {
          if (this.refusal !== undefined) throw new UserError(this.refusal);
          return (await this.#encode(...args)).map(({ window, length, width }) =>
            told({ window, length, width }),
          );
        },
      },
      handlers,
    );
  }

  /**
   * How much the outputs of recordings that the cache does not have take, one line; undefined where it has them all.
   * @param clips with their windows, as far as they are known
   * @throws UserError where the disk has no room for them
   */
  async checkRoom(
    clips: readonly { readonly recording: Recording; readonly encoded: Pick<EncodedShape, 'window'> }[],
  ): Promise<string | undefined> {
    if (this.cache === undefined || !this.shards) return undefined;
    const { width } = this.model.dimensions;
    const bytesOf = (window: number) => 2 * HEADER_BYTES + encodedBytes(window, width, this.dtype);
    const free = await freeDisk(this.cache);
    let count = clips.length;
    let bytes = clips.reduce((sum, { encoded }) => sum + bytesOf(encoded.window), 0);
    // Only where it matters, as each clip is looked up: without those that the cache has.
    if (count < FEW_CLIPS || Math.min(bytes, this.limit ?? bytes) > free) {
      [count, bytes] = [0, 0];
      for (let start = 0; start < clips.length; start += CLIPS_PER_ROUND) {
        const some = clips.slice(start, start + CLIPS_PER_ROUND);
        const known = await Promise.all(some.map(({ recording }) => this.#has(recording)));
        known.forEach((isKnown, i) => {
          if (isKnown) return;
          count++;
          bytes += bytesOf(some[i]!.encoded.window);
        });
      }
    }
    if (count === 0 || this.refusal !== undefined) return undefined;
    const gb = (bytes: number): string => `${formatNumber(bytes / 1e9, bytes < 1e9 ? 3 : 1)} GB`;
    const what = `encoder outputs of ${formatNumber(count)} clips`;
    if (Math.min(bytes, this.limit ?? bytes) > free) {
      throw new UserError(
        `${this.cache}: the ${what} take ${gb(bytes)} and the disk has ${gb(free)}; ` +
          'expected room, --cache-limit, --cache-dtype int8, or --cache off',
      );
    }
    return `cache: ${what} take up to ${gb(bytes)} in ${this.cache}; the disk has ${gb(free)}`;
  }

  /** As far as is known without reading its files. */
  async #has(recording: Recording): Promise<boolean> {
    if (!this.shards || this.shards.size === 0) return false;
    const key = await this.memo.knownKeyOf(recording);
    return key !== undefined && this.shards.about(key) !== undefined;
  }

  async #find(key: string): Promise<EncodedClip | undefined> {
    const found = await this.shards!.read(key);
    return found && encodedClip(found);
  }

  /** Undefined where the cache has no such outputs. */
  #storedClip(key: string): Lazy<EncodedClip> | undefined {
    const about = this.shards?.about(key);
    if (!about) return undefined;
    const shape = encodedShape(about);
    return {
      ...shape,
      read: async () => {
        const clip = await this.#find(key);
        if (clip) return clip;
        throw new UserError(
          `${this.shards!.folder}: found no whole encoder output ${key}; expected it to stay during the run`,
        );
      },
    };
  }

  async #encode(
    missing: readonly Missing[],
    onProgress: ((done: number) => void) | undefined,
    signal: AbortSignal | undefined,
  ): Promise<EncodedClip[]> {
    this.#idle = 0;
    const { melBins } = this.model.dimensions;
    const encoded = await this.model.encode(
      missing.map(({ samples }) => samples),
      this.window,
      {
        onProgress,
        languages: missing.map(({ recording }) => recording.language),
        mask: (i, mel) => maskMel(missing[i]!.recording, missing[i]!.samples, mel, melBins),
        signal,
        exact: true,
      },
    );
    const records = encoded.map((clip, i) => ({ key: missing[i]!.key, ...encodedRecord(clip, this.dtype) }));
    const { refusal } = this.shards ?? {};
    if (refusal === undefined)
      await this.shards?.add(records.flatMap(({ key, ...record }) => (key ? [{ key, ...record }] : [])));
    else if (!this.#isRefusalNoted) {
      this.#isRefusalNoted = true;
      this.onNote?.(`${refusal}; what it lacks is encoded for this run alone`);
    }
    return records.map(({ clip }) => clip);
  }

  #request(recording: Recording): Promise<EncodedClip> {
    return new Promise((resolve, reject) => {
      const settle = (found: EncodedClip | Error) =>
        found instanceof Error ? reject(found) : resolve(found);
      this.#requested.push({ recording, settle });
      if (this.#requested.length > 1) return;
      // By then all that are asked for at the same time have been.
      setImmediate(() => {
        const some = this.#requested;
        this.#requested = [];
        this.#reading = this.#reading.then(() => this.#readTogether(some));
      });
    });
  }

  async #readTogether(requests: readonly OutputRequest[]): Promise<void> {
    for (let start = 0; start < requests.length; start += CLIPS_PER_ROUND) {
      const some = requests.slice(start, start + CLIPS_PER_ROUND);
      const recordings = some.map(({ recording }) => recording);
      this.#idle++;
      const read = async () => {
        const clips = await oneRound(recordings, this.#source);
        await this.memo.flush();
        return clips;
      };
      // A full disk, say, ends the run of whoever asked.
      const found = await read().catch((error: Error) => recordings.map(() => error));
      if (this.#idle === IDLE_ROUNDS) await this.model.releaseEncoder();
      some.forEach(({ settle }, i) => {
        settle(found[i]!);
      });
    }
  }

  #hasRoom(): boolean {
    return this.#held < this.maxBytes;
  }

  #hold<C extends EncodedClip | undefined>(clip: C): C {
    this.#held += clip?.frames.byteLength ?? 0;
    return clip;
  }
}

/** Notes beside the shards whose outputs they are, for `cache ls`; the outputs need it not. */
async function writeAbout(shards: Shards, { directory }: WhisperModel): Promise<void> {
  const file = join(shards.folder, ABOUT_FILE);
  if (shards.refusal !== undefined || (await exists(file))) return;
  await writeJson(file, { model: directory }).catch(() => {});
}

function limitedRoom(
  cache: string,
  limit: number | undefined,
  onNote: ((note: string) => void) | undefined,
): CacheRoom | undefined {
  if (limit === undefined) return undefined;
  return new CacheRoom(cache, limit, () =>
    onNote?.(
      `${cache}: --cache-limit is reached by what this run uses; further outputs are encoded whenever they are needed`,
    ),
  );
}
