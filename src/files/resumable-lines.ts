/** A JSONL file written record by record, from which a stopped run can resume. */
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { appendFile, stat } from 'node:fs/promises';
import { excerpt, UserError } from '../errors.ts';
import { cannotOpen } from './read.ts';
import { type Content, inPieces, writeWhole, writing } from './write-whole.ts';

export interface ResumableLinesOptions<R> {
  /** Keep the records of earlier runs; otherwise the file begins empty. */
  readonly resume: boolean;
  /**
   * Beginning of every line, also of one that was cut off. A file with another line is refused and left unchanged.
   * Default: any line may occur, and is dropped where it is no record.
   */
  readonly start?: string;
  /** The expected kind of line, for messages. */
  readonly expected?: string;
  /** Key of a record: of several with the same key the last counts. */
  readonly keyOf: (record: R) => string;
  /** Whether a record of an earlier run is kept; may throw a UserError. */
  readonly keep: (record: R, where: string) => boolean;
}

/** A line's place in the file, in bytes, its line break included. */
interface Place {
  readonly at: number;
  readonly bytes: number;
}

const COPIED_AT_ONCE = 1 << 20;

/** Records stay in the file, of which only the keys and places are in memory. Add one after the other. */
export class ResumableLines<R extends object> {
  readonly #places = new Map<string, Place>();
  #size = 0;

  private constructor(
    readonly path: string,
    private readonly keyOf: (record: R) => string,
  ) {}

  /**
   * Opens the file. A line without a line break was cut off, and is dropped.
   * @throws UserError where the file has other lines, or cannot be read or written
   */
  static async open<R extends object>(
    path: string,
    { resume, keyOf, ...format }: ResumableLinesOptions<R>,
  ): Promise<ResumableLines<R>> {
    const file = new ResumableLines(path, keyOf);
    if (resume) {
      for await (const { record, place } of earlierRecords<R>(path, format)) {
        const key = keyOf(record);
        // The last one counts, in its own place.
        file.#places.delete(key);
        file.#places.set(key, place);
      }
    }
    await file.#keep([...file.#places.keys()]);
    return file;
  }

  has(key: string): boolean {
    return this.#places.has(key);
  }

  get(key: string): R | undefined {
    const place = this.#places.get(key);
    if (!place) return undefined;
    const file = openSync(this.path, 'r');
    try {
      return JSON.parse(bytesAt(file, place).toString('utf8')) as R;
    } finally {
      closeSync(file);
    }
  }

  add(record: R): Promise<void> {
    return this.addAll([record]);
  }

  /** Appends records in one write: a stopped run leaves at most one incomplete line. */
  async addAll(records: readonly R[]): Promise<void> {
    const lines = records.map((record) => `${JSON.stringify(record)}\n`);
    await writing(this.path, () => appendFile(this.path, lines.join('')));
    for (const [i, record] of records.entries()) {
      const place = { at: this.#size, bytes: Buffer.byteLength(lines[i]!) };
      this.#places.set(this.keyOf(record), place);
      this.#size += place.bytes;
    }
  }

  /** Sorts the records into the order of `keys`; those of other keys follow. */
  async order(keys: Iterable<string>): Promise<void> {
    const after = new Set<string>();
    for (const key of keys) if (this.#places.has(key)) after.add(key);
    for (const key of this.#places.keys()) after.add(key);
    await this.#keep([...after]);
  }

  /** Drops the other records. @returns the number of those kept */
  async retain(keeps: (key: string) => boolean): Promise<number> {
    await this.#keep([...this.#places.keys()].filter(keeps));
    return this.#places.size;
  }

  /** Rewrites the file at the end with these records, in their order, which may be read from it; their keys are forgotten. */
  async finish(records: Iterable<R>): Promise<void> {
    await writeWhole(
      this.path,
      inPieces(records, (record) => `${JSON.stringify(record)}\n`),
    );
    this.#places.clear();
    this.#size = (await stat(this.path)).size;
  }

  /** Records by their place in the file: `count` of them from `first` on. */
  *slice(first: number, count: number): Generator<R> {
    const file = openSync(this.path, 'r');
    try {
      let number = 0;
      for (const line of linesIn(file)) {
        if (number >= first + count) return;
        if (number++ >= first) yield JSON.parse(line.toString('utf8')) as R;
      }
    } finally {
      closeSync(file);
    }
  }

  /** Rewrites the file with the records of these keys, in their order, unless it already is so. */
  async #keep(keys: readonly string[]): Promise<void> {
    const found = await stat(this.path).catch(() => undefined);
    // What was written to a device or pipe is gone.
    if (found && !found.isFile() && !found.isDirectory()) return;
    const before = keys.map((key) => this.#places.get(key)!);
    let at = 0;
    const after = before.map(({ bytes }): Place => {
      const place = { at, bytes };
      at += bytes;
      return place;
    });
    const asItIs =
      found?.isFile() && found.size === at && after.every((place, i) => place.at === before[i]!.at);
    // A file that is kept as it is must be one that can be written to, too.
    if (asItIs) await writing(this.path, () => appendFile(this.path, ''));
    else await this.#rewrite(before);
    this.#places.clear();
    for (const [i, key] of keys.entries()) this.#places.set(key, after[i]!);
    this.#size = at;
  }

  async #rewrite(places: readonly Place[]): Promise<void> {
    if (places.length === 0) return writeWhole(this.path, '');
    const file = openSync(this.path, 'r');
    try {
      await writeWhole(this.path, copied(file, places));
    } finally {
      closeSync(file);
    }
  }
}

/** The bytes of places, in their order; neighbours in one piece. */
function* copied(file: number, places: readonly Place[]): Generator<Uint8Array> & Content {
  let at = 0;
  let bytes = 0;
  for (const place of places) {
    if (place.at === at + bytes && bytes + place.bytes <= COPIED_AT_ONCE) {
      bytes += place.bytes;
      continue;
    }
    if (bytes > 0) yield bytesAt(file, { at, bytes });
    ({ at, bytes } = place);
  }
  if (bytes > 0) yield bytesAt(file, { at, bytes });
}

/** Lines, without their breaks. */
function* linesIn(file: number): Generator<Buffer> {
  const block = Buffer.alloc(COPIED_AT_ONCE);
  let begun = Buffer.alloc(0);
  for (let count = readSync(file, block); count > 0; count = readSync(file, block)) {
    const bytes = Buffer.concat([begun, block.subarray(0, count)]);
    let begin = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, begin)) {
      yield bytes.subarray(begin, end);
      begin = end + 1;
    }
    begun = bytes.subarray(begin);
  }
}

function bytesAt(file: number, { at, bytes }: Place): Buffer {
  const found = Buffer.alloc(bytes);
  for (let read = 0; read < bytes; ) {
    const count = readSync(file, found, read, bytes - read, at + read);
    if (count === 0) throw new UserError('a file of results became shorter while it was in use');
    read += count;
  }
  return found;
}

/** Streams the lines: together they may exceed the longest string. */
async function* earlierRecords<R>(
  path: string,
  { start, expected = 'a line of an earlier run', keep }: Omit<ResumableLinesOptions<R>, 'resume' | 'keyOf'>,
): AsyncGenerator<{ record: R; place: Place }> {
  let number = 0;
  for await (const { line, whole, place } of linesOf(path, expected)) {
    const where = `${path}:${++number}`;
    if (start !== undefined) {
      const head = line.slice(0, start.length);
      // The very end may be cut off even within these first characters.
      if (whole ? head !== start : !start.startsWith(head)) throw otherLine(where, line, expected);
    }
    if (!whole) return;
    const record = parsed<R>(line);
    if (record === undefined && start !== undefined) throw otherLine(where, line, expected);
    if (record !== undefined && keep(record, where)) yield { record, place };
  }
}

async function* linesOf(
  path: string,
  expected: string,
): AsyncGenerator<{ line: string; whole: boolean; place: Place }> {
  /** Of the line that has no end yet. */
  let pieces: Buffer[] = [];
  let at = 0;
  const line = (last: Buffer, whole: boolean) => {
    const all = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
    pieces = [];
    const place = { at, bytes: all.length + Number(whole) };
    at += place.bytes;
    return { line: all.toString('utf8'), whole, place };
  };
  try {
    for await (const block of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      let begin = 0;
      for (let end = block.indexOf(10); end >= 0; end = block.indexOf(10, begin)) {
        yield line(block.subarray(begin, end), true);
        begin = end + 1;
      }
      if (begin < block.length) pieces.push(block.subarray(begin));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw cannotOpen(path, error, expected);
  }
  if (pieces.length > 0) yield line(Buffer.alloc(0), false);
}

function parsed<R>(line: string): R | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as R) : undefined;
  } catch {
    return undefined;
  }
}

export function otherLine(where: string, line: string, expected: string): UserError {
  return new UserError(`${where}: found ${excerpt(line)}; expected ${expected}`);
}
