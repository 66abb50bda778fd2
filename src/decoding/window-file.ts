/** The windows of long recordings that are not finished, in a file beside the results: a run resumes within a recording. */
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exists } from '../files/read.ts';
import { otherLine, ResumableLines } from '../files/resumable-lines.ts';
import type { DetectedLanguage } from './detect-language.ts';
import type { WindowResult } from './part-transcription.ts';
import { checkSettings, type Settings } from './results-file.ts';

/** A window, found by its place: the same sound is cut into the same parts. */
export interface WindowKey {
  readonly audio: string;
  /** Fingerprint of the samples: a recording that has changed begins again. */
  readonly sound: string;
  readonly part: number;
  /** Number of windows of the part before it. */
  readonly window: number;
}

export interface KeptWindow extends WindowKey {
  /** Of the recording, with its first window. */
  readonly detected?: { readonly language: string; readonly probabilities: Readonly<Record<string, number>> };
  readonly result: WindowResult;
}

type Line = { readonly settings: Settings } & KeptWindow;

const EXPECTED = 'a window of a recording that an earlier run did not finish';

const keyOf = ({ audio, sound, part, window }: WindowKey): string =>
  [resolve(audio), sound, part, window].join('\n');

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
    else await rm(path, { force: true });
    return file;
  }

  get(key: WindowKey): KeptWindow | undefined {
    return this.lines?.get(keyOf(key));
  }

  /** Adds windows in one write. */
  async add(windows: readonly KeptWindow[]): Promise<void> {
    this.lines ??= await this.#open(false);
    await this.lines.add(...windows.map((window): Line => ({ settings: this.settings, ...window })));
  }

  /** Removes the file: all recordings are finished. */
  async remove(): Promise<void> {
    if (this.lines) await rm(this.path, { force: true });
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

export const languageToKeep = ({ language, probabilities }: DetectedLanguage): KeptWindow['detected'] => ({
  language,
  probabilities: Object.fromEntries(probabilities),
});

export const keptLanguage = ({
  language,
  probabilities,
}: NonNullable<KeptWindow['detected']>): DetectedLanguage => ({
  language,
  probabilities: new Map(Object.entries(probabilities)),
});
