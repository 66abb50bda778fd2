/** How recordings are turned into text. */
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { DecodingChoice } from './decoding-choice.ts';
import type { FallbackOptions } from './fallback.ts';
import type { PromptChoice } from './prompt-choice.ts';

export interface TranscribeOptions
  extends DecodingChoice,
    PromptChoice,
    Omit<FallbackOptions, 'temperatures'> {
  /** The language spoken, as Whisper's code: 'fr'. Default: detected for each recording. */
  readonly from?: string | undefined;
  /** When each word is said, in `segments[].words`. Default false. */
  readonly words?: boolean | undefined;
  /** Whether segments have times of their own. Default: for recordings longer than 30 s, and with `words`. */
  readonly timestamps?: boolean | undefined;
  /** Whether each window of a long recording is told the text of those before it. Default false. */
  readonly conditionOnPrevious?: boolean | undefined;
  /** Whether stretches without speech are left out (Silero VAD). Default false. */
  readonly skipSilence?: boolean | undefined;
  /**
   * `full`: 30 s, as Whisper was trained. `fit`: the recording and a second, followed by cached silence; faster. Recordings
   * longer than 30 s always have full windows. Default `fit`.
   */
  readonly window?: WindowMode | undefined;
  /** Called with the number of recordings done, shares of them counted. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Called with what the user should know beside the results, a line each. Default: nobody is told. */
  readonly onNote?: ((note: string) => void) | undefined;
  /** Aborts: what is waited for rejects with the signal's reason at once, and the model stays usable. */
  readonly signal?: AbortSignal | undefined;
}

export interface TranslateOptions extends TranscribeOptions {
  /** The language to write, as Whisper's code. Default: what the model was trained for, else 'en'. */
  readonly to?: string | undefined;
}
