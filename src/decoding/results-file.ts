/** Results in a JSONL file that is written as they come, so that a run that was stopped can go on. */
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import type { FailedTranscript, Transcript } from './transcript.ts';

/** What the results depend on (model, language, task, beam size); small, and the same for the whole file. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

/** Every line begins like this, also one that was cut off: what begins otherwise is not ours to change. */
const LINE_START = '{"settings":{';

/**
 * The results of one run or of several. Each line is one result with the settings before it:
 *
 *     {"settings":{"model":"...","beam":5},"audio":"a.wav","language":"en","text":"..."}
 *
 * A result belongs to its path; that a recording has changed since is not noticed.
 */
export class ResultsFile {
  /** Results of earlier runs and of this one by absolute path, in the order of the file. */
  readonly #lines: Map<string, string>;
  readonly #path: string;
  readonly #settings: Settings;

  private constructor(path: string, settings: Settings, lines: Map<string, string>) {
    this.#path = path;
    this.#settings = settings;
    this.#lines = lines;
  }

  /**
   * With `resume` the results that are in the file stay: complete lines; what follows the last line break was cut off
   * and goes. Failures go, too: they are tried again. Without `resume`, or where there is no file, it begins empty.
   *
   * @throws UserError when the file is not one of these, has results of other settings, or cannot be written.
   */
  static async open(path: string, settings: Settings, resume: boolean): Promise<ResultsFile> {
    try {
      await mkdir(dirname(path), { recursive: true });
      const lines = resume ? await readLines(path, settings) : new Map<string, string>();
      // Written anew rather than cut at the end: failures may stand anywhere.
      await writeLines(path, lines.values());
      return new ResultsFile(path, settings, lines);
    } catch (error) {
      if (error instanceof UserError || !(error as NodeJS.ErrnoException).code) throw error;
      const { code } = error as NodeJS.ErrnoException;
      throw new UserError(
        `${path}: found a place that cannot be written to (${code}); expected a file for results`,
      );
    }
  }

  /** The result for a recording, if there is one. */
  get(audio: string): Transcript | undefined {
    const line = this.#lines.get(resolve(audio));
    if (line === undefined) return undefined;
    const { settings: _, ...result } = JSON.parse(line);
    return result;
  }

  /** One line is one write: a run that is stopped leaves whole lines, and at most one in part. */
  async add(result: Transcript | FailedTranscript): Promise<void> {
    const line = JSON.stringify({ settings: this.#settings, ...result });
    this.#lines.set(resolve(result.audio), line);
    await appendFile(this.#path, `${line}\n`);
  }

  /** Brings the results into the order of `audio`; those of other recordings stay, after them. */
  async finish(audio: readonly string[]): Promise<void> {
    const order = new Set([...audio.map((path) => resolve(path)), ...this.#lines.keys()]);
    const lines = [...order].flatMap((key) => this.#lines.get(key) ?? []);
    const written = [...this.#lines.values()];
    if (lines.some((line, i) => line !== written[i])) await writeLines(this.#path, lines);
  }
}

async function readLines(path: string, settings: Settings): Promise<Map<string, string>> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return new Map();
    throw new UserError(`${path}: found a file that does not open (${code}); expected results to go on from`);
  }
  const lines = new Map<string, string>();
  let start = 0;
  for (let number = 1; start < bytes.length; number++) {
    const lineBreak = bytes.indexOf(10, start);
    const end = lineBreak < 0 ? bytes.length : lineBreak;
    const line = bytes.toString('utf8', start, end);
    start = end + 1;
    const where = `${path}:${number}`;
    const head = line.slice(0, LINE_START.length);
    // The very end may be cut off even within these first characters.
    if (!(lineBreak < 0 ? LINE_START.startsWith(head) : head === LINE_START)) throw notResults(where, line);
    if (lineBreak < 0) break;
    const result = parsed(line);
    if (typeof result?.audio !== 'string') throw notResults(where, line);
    checkSettings(where, result.settings, settings);
    if (!('error' in result)) lines.set(resolve(result.audio), line);
  }
  return lines;
}

function parsed(line: string): { settings: Settings; audio?: unknown } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function notResults(where: string, line: string): UserError {
  const found = JSON.stringify(line.length > 40 ? `${line.slice(0, 40)}…` : line);
  return new UserError(`${where}: found ${found}; expected a result of an earlier run to go on from`);
}

function checkSettings(where: string, found: Settings, expected: Settings): void {
  for (const name of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    if (found[name] === expected[name]) continue;
    const [was, is] = [found[name], expected[name]].map((value) => JSON.stringify(value) ?? 'not set');
    throw new UserError(
      `${where}: found results with ${name} ${was}; expected ${is} as in this run, or another file for it`,
    );
  }
}

/** Whole or not at all: what was there stays until all of the new is written. */
async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  // Piece by piece: all lines together may be longer than a string can be.
  await writeFile(`${path}.incomplete`, withLineBreaks(lines));
  await rename(`${path}.incomplete`, path);
}

function* withLineBreaks(lines: Iterable<string>): Generator<string> {
  for (const line of lines) yield `${line}\n`;
}
