/** A JSONL file written record by record, from which a stopped run can resume. */
import { createReadStream } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { cannotOpen } from './read.ts';
import { writeWhole, writing } from './write-whole.ts';

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

/** Lines are held as text: parsed, they take several times the memory. */
export class ResumableLines<R extends object> {
  private constructor(
    readonly path: string,
    private readonly keyOf: (record: R) => string,
    private readonly lines: Map<string, string>,
  ) {}

  /**
   * Opens the file. A line without a line break was cut off, and is dropped.
   * @throws UserError where the file has other lines, or cannot be read or written
   */
  static async open<R extends object>(
    path: string,
    { resume, keyOf, ...format }: ResumableLinesOptions<R>,
  ): Promise<ResumableLines<R>> {
    const lines = new Map<string, string>();
    if (resume) {
      for await (const { line, record } of earlierRecords<R>(path, format)) lines.set(keyOf(record), line);
    }
    const file = new ResumableLines(path, keyOf, lines);
    await file.#write();
    return file;
  }

  get(key: string): R | undefined {
    const line = this.lines.get(key);
    return line === undefined ? undefined : (JSON.parse(line) as R);
  }

  add(record: R): Promise<void> {
    return this.addAll([record]);
  }

  /** Appends records in one write: a stopped run leaves at most one incomplete line. */
  async addAll(records: readonly R[]): Promise<void> {
    const lines = records.map((record) => JSON.stringify(record));
    records.forEach((record, i) => this.lines.set(this.keyOf(record), lines[i]!));
    await writing(this.path, () => appendFile(this.path, lines.map((line) => `${line}\n`).join('')));
  }

  /** Sorts the records into the order of `keys`; those of other keys follow. */
  async order(keys: Iterable<string>): Promise<void> {
    const before = [...this.lines.keys()];
    const after = [...new Set([...keys, ...before])].filter((key) => this.lines.has(key));
    if (after.every((key, i) => key === before[i])) return;
    const lines = after.map((key) => [key, this.lines.get(key)!] as const);
    this.lines.clear();
    for (const [key, line] of lines) this.lines.set(key, line);
    await this.#write();
  }

  /** Rewrites the file with these records, in their order. */
  async replace(records: readonly R[]): Promise<void> {
    const lines = records.map((record) => JSON.stringify(record));
    this.lines.clear();
    records.forEach((record, i) => this.lines.set(this.keyOf(record), lines[i]!));
    await this.#write(lines);
  }

  #write(lines: Iterable<string> = this.lines.values()): Promise<void> {
    return writeWhole(this.path, withLineBreaks(lines));
  }
}

function* withLineBreaks(lines: Iterable<string>): Generator<string> {
  for (const line of lines) yield `${line}\n`;
}

/** Streams the lines: together they may exceed the longest string. */
async function* earlierRecords<R>(
  path: string,
  { start, expected = 'a line of an earlier run', keep }: Omit<ResumableLinesOptions<R>, 'resume' | 'keyOf'>,
): AsyncGenerator<{ line: string; record: R }> {
  let number = 0;
  for await (const { line, whole } of linesOf(path, expected)) {
    const where = `${path}:${++number}`;
    if (start !== undefined) {
      const head = line.slice(0, start.length);
      // The very end may be cut off even within these first characters.
      if (whole ? head !== start : !start.startsWith(head)) throw otherLine(where, line, expected);
    }
    if (!whole) return;
    const record = parsed<R>(line);
    if (record === undefined && start !== undefined) throw otherLine(where, line, expected);
    if (record !== undefined && keep(record, where)) yield { line, record };
  }
}

async function* linesOf(path: string, expected: string): AsyncGenerator<{ line: string; whole: boolean }> {
  let rest = '';
  try {
    for await (const text of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) yield { line, whole: true };
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw cannotOpen(path, error, expected);
  }
  if (rest !== '') yield { line: rest, whole: false };
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
  const found = JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}…` : line);
  return new UserError(`${where}: found ${found}; expected ${expected}`);
}
