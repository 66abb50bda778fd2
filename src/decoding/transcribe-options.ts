/** How audio files are turned into text. */
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { DecodingOptions } from './decode.ts';
import type { FallbackOptions } from './fallback.ts';

export interface TranscribeOptions extends FallbackOptions {
  readonly window: WindowMode;
  /** The decoder's prompt for a clip in that language. `probabilities` only where the language was detected. */
  readonly prompt: (language: string, probabilities?: ReadonlyMap<string, number>) => readonly number[];
  /** Whether timestamps are written. Default: for audio longer than 30 s, which cannot do without. */
  readonly timestamps?: boolean;
  readonly wordTimestamps?: boolean;
  /** Whether each window is told the text of those before it. Default false. */
  readonly conditionOnPrevious?: boolean;
  /** Whether stretches without speech are left out. Default false. */
  readonly skipSilence?: boolean;
  /** How the search goes; see DecodingOptions. */
  readonly decoding?: Omit<
    DecodingOptions,
    'prompts' | 'languages' | 'withTimestamps' | 'temperature' | 'onProgress'
  >;
  /** Called with the number of files done, parts of files counted. */
  readonly onProgress?: (files: number) => void;
}
