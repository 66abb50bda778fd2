/** The windows of long recordings that are not finished, in a file beside the results: a run resumes within a recording. */
import { resolve } from 'node:path';
import { exists } from '../files/read.ts';
import { otherLine, ResumableLines } from '../files/resumable-lines.ts';
import { removeFile } from '../files/write-whole.ts';
import type { KeptWindow, WindowKey } from './kept-window.ts';
import { checkSettings, type Settings } from './run-settings.ts';

type Line = { readonly settings: Settings } & KeptWindow;

const EXPECTED = 'a window of a recording that an earlier run did not finish';

const keyOf = ({ audio, sound, part, window }: WindowKey): string =>
  [sound, part, window, resolve(audio)].join('\n');

const audioIn = (key: string): string => key.split('\n').slice(3).join('\n');

export class WindowFile {
  private constructor(
    private readonly path: string,
    private readonly settings: Settings,
    private lines: ResumableLines<Line> | undefined,
  ) {}

  /**
   * With `resume` keeps the windows in the file. Without windows there is no file.
   * @throws UserError when the file is not one of these, has windows of other settings, or cannot be read
   */
  static async open(path: string, settings: Settings, resume: boolean): Promise<WindowFile> {
    const file = new WindowFile(path, settings, undefined);
    if (resume && (await exists(path))) file.lines = await file.#open(true);
    else await removeFile(path);
    return file;
  }

  get(key: WindowKey): KeptWindow | undefined {
    return this.lines?.get(keyOf(key));
  }

  /** Adds windows in one write. */
  async add(windows: readonly KeptWindow[]): Promise<void> {
    this.lines ??= await this.#open(false);
    await this.lines.addAll(windows.map((window): Line => ({ settings: this.settings, ...window })));
  }

  /** Drops the windows of recordings that are finished; where no others are left, the file is removed. */
  async finish(audio: readonly string[]): Promise<void> {
    if (!this.lines) return;
    const finished = new Set(audio.map((path) => resolve(path)));
    if ((await this.lines.retain((key) => !finished.has(audioIn(key)))) > 0) return;
    await removeFile(this.path);
    this.lines = undefined;
  }

  #open(resume: boolean): Promise<ResumableLines<Line>> {
    return ResumableLines.open<Line>(this.path, {
      resume,
      start: '{"settings":{',
      expected: EXPECTED,
      keyOf,
      keep: (line, where) => {
        if (typeof line.audio !== 'string' || typeof line.sound !== 'string' || !line.result)
          throw otherLine(where, JSON.stringify(line), EXPECTED);
        checkSettings(where, line.settings, this.settings);
        return true;
      },
    });
  }
}
