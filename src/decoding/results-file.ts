/** Results in a JSONL file, written one by one, from which a stopped run can resume. */
import { resolve } from 'node:path';
import { otherLine, ResumableLines } from '../files/resumable-lines.ts';
import { checkSettings, type Settings } from './run-settings.ts';
import type { FailedTranscript, Transcript } from './transcript.ts';
import { WindowFile } from './window-file.ts';

type Result = { readonly settings: Settings } & (Transcript | FailedTranscript);

const EXPECTED = 'a result of an earlier run to go on from';

/**
 * The results of one run or of several. Each line is one result with the settings before it:
 *
 *     {"settings":{"model":"...","beam":5},"audio":"a.wav","language":"en","text":"..."}
 *
 * A result is identified by its path; later changes of a recording are not detected.
 */
export class ResultsFile {
  private constructor(
    private readonly lines: ResumableLines<Result>,
    private readonly settings: Settings,
    /** Of long recordings that are not finished. */
    readonly windows: WindowFile,
  ) {}

  /**
   * With `resume` keeps the results in the file, but not failures, which are tried again. Without `resume`, or without a
   * file, begins empty.
   *
   * @throws UserError when the file is not one of these, has results of other settings, or cannot be written.
   */
  static async open(path: string, settings: Settings, resume: boolean): Promise<ResultsFile> {
    const windows = await WindowFile.open(`${path}.unfinished`, settings, resume);
    const lines = await ResumableLines.open<Result>(path, {
      resume,
      start: '{"settings":{',
      expected: EXPECTED,
      keyOf: ({ audio }) => resolve(audio),
      keep: (result, where) => {
        if (typeof result.audio !== 'string') throw otherLine(where, JSON.stringify(result), EXPECTED);
        checkSettings(where, result.settings, settings);
        return !('error' in result);
      },
    });
    return new ResultsFile(lines, settings, windows);
  }

  has(audio: string): boolean {
    return this.lines.has(resolve(audio));
  }

  /** The result for a recording, if there is one. */
  get(audio: string): Transcript | undefined {
    const found = this.lines.get(resolve(audio));
    if (!found) return undefined;
    const { settings: _, ...result } = found;
    return result as Transcript;
  }

  add(result: Transcript | FailedTranscript): Promise<void> {
    return this.lines.add({ settings: this.settings, ...result });
  }

  /** All are done: sorts the results into the order of `audio`; those of other recordings follow. */
  async finish(audio: readonly string[]): Promise<void> {
    await this.lines.order(audio.map((path) => resolve(path)));
    await this.windows.finish(audio);
  }
}
