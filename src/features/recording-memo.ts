/**
 * What is known of audio files: hash of the content, by which encoder outputs are stored, and length. Both are kept in the
 * cache by path, size, time and inode, so that hundreds of thousands of files are not read again in every run.
 */
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import { audioDuration, audioFingerprint, statAudio } from '../audio/audio-file.ts';
import { archives } from '../audio/gunzipped.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { GAP_SECONDS, type Recording } from '../data/recording.ts';
import { Fingerprint, fingerprint } from '../files/fingerprint.ts';
import { cannotOpen } from '../files/read.ts';
import { ARCHIVES, RECORDINGS } from './cached-shards.ts';
import { type ShardRecord, Shards } from './shards.ts';

/** Records written together. */
const PENDING = 1024;

/** Decompressed archives stand in a cache, too. @param cache folder; undefined: nothing is kept */
export function keepArchivesIn(cache: string | undefined): void {
  archives.folder = cache === undefined ? undefined : join(cache, ARCHIVES);
}

export class RecordingMemo {
  /** Found and not yet written. */
  readonly #pending: Readonly<Record<Known, Map<string, Buffer>>> = {
    contents: new Map(),
    lengths: new Map(),
  };

  private constructor(private readonly stores: Readonly<Record<Known, Shards>> | undefined) {}

  /** @param cache folder; undefined: nothing is kept */
  static async open(cache: string | undefined): Promise<RecordingMemo> {
    keepArchivesIn(cache);
    if (cache === undefined) return new RecordingMemo(undefined);
    // One after the other: a folder that cannot be written into is removed with those made for it.
    const contents = await Shards.open(join(cache, RECORDINGS, 'contents'), { cache });
    const lengths = await Shards.open(join(cache, RECORDINGS, 'lengths'), { cache });
    return new RecordingMemo({ contents, lengths });
  }

  /**
   * Key of a recording's features: the same wherever its files lie.
   * @throws UserError where a file does not open
   */
  async keyOf(recording: Recording): Promise<string> {
    return keyOf(recording, await Promise.all(recording.files.map((file) => this.#contentOf(file))));
  }

  /** The same, undefined where a file would have to be read. */
  async knownKeyOf(recording: Recording): Promise<string | undefined> {
    const contents: string[] = [];
    for (const file of recording.files) {
      const found = await statAudio(file).catch(() => undefined);
      const known = found && this.#known('contents', placeOf(file, found));
      if (!known) return undefined;
      contents.push(hexOf(known));
    }
    return keyOf(recording, contents);
  }

  async #contentOf(file: string): Promise<string> {
    return hexOf(
      await this.#recall('contents', file, async () => Buffer.from(await audioFingerprint(file), 'hex')),
    );
  }

  /**
   * Length of an audio file in samples at 16 kHz, from its header where that says it.
   * @param found of the file, where it was looked up
   * @throws UserError where the file cannot be read
   */
  async samplesOf(file: string, found?: FileStatus): Promise<number> {
    const find = async () => {
      const length = Buffer.alloc(8);
      length.writeDoubleLE(Math.round(SAMPLE_RATE * (await audioDuration(file))));
      return length;
    };
    const about = await this.#recall('lengths', file, find, found);
    return about.readDoubleLE();
  }

  async #recall(what: Known, file: string, find: () => Promise<Buffer>, found?: FileStatus): Promise<Buffer> {
    try {
      if (!this.stores) return await find();
      const key = placeOf(file, found ?? (await statAudio(file)));
      const known = this.#known(what, key);
      if (known) return known;
      const about = await find();
      this.#pending[what].set(key, about);
      if (this.#pending[what].size >= PENDING) await this.#write(what);
      return about;
    } catch (error) {
      throw cannotOpen(file, error, 'an audio file');
    }
  }

  #known(what: Known, place: string): Buffer | undefined {
    return this.stores?.[what].about(place) ?? this.#pending[what].get(place);
  }

  /** Writes what was found since the last time. */
  async flush(): Promise<void> {
    await this.#write('contents');
    await this.#write('lengths');
  }

  async #write(what: Known): Promise<void> {
    const store = this.stores?.[what];
    // A cache that may only be read: what is found stays in memory.
    if (store?.refusal !== undefined) return;
    const records = [...this.#pending[what]].map(([key, about]): ShardRecord => ({ key, about }));
    this.#pending[what].clear();
    await store?.add(records);
  }
}

type Known = 'contents' | 'lengths';

const hexOf = (content: Buffer): string => content.toString('hex', 0, 16);

/** What a file's status says of it. */
type FileStatus = Pick<Stats, 'size' | 'mtimeMs' | 'ino'>;

/** A recording as it is now, by its text: another size or time of the file on disk is another. */
export const placeOf = (file: string, { size, mtimeMs, ino }: FileStatus): string =>
  fingerprint(`${file}\n${size}\n${mtimeMs}\n${ino}`, 32);

function keyOf({ files, version }: Recording, contents: readonly string[]): string {
  const hash = new Fingerprint().add(contents.join('\n'));
  if (files.length > 1) hash.add(`\ngap ${GAP_SECONDS}`);
  if (version) hash.add(`\n${version.augmentation.fingerprint}\n${version.name}\n${version.number}`);
  return hash.hex(32);
}
