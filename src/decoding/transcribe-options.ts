/** Options of transcription and translation. */
import type { AudioSource } from '../audio/audio-source.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { DecodingChoice } from './decoding-choice.ts';
import type { FallbackOptions } from './fallback.ts';
import type { PromptChoice } from './prompt-choice.ts';
import type { Segment } from './transcript.ts';

/** Seconds of audio: done, and read so far; of a single recording the second is its length. */
export interface AudioProgress {
  readonly done: number;
  readonly total: number;
}

export interface TranscribeOptions
  extends DecodingChoice,
    PromptChoice,
    Omit<FallbackOptions, 'temperatures'> {
  /** The language spoken, as Whisper's code: 'fr'. Default: detected for each recording. */
  readonly from?: string | undefined;
  /** Word timestamps, in `segments[].words`. Default false. */
  readonly words?: boolean | undefined;
  /** Timestamps of segments. Default: for recordings longer than 30 s, and with `words`. */
  readonly timestamps?: boolean | undefined;
  /** Give each window of a long recording the previous text as context. Default false. */
  readonly conditionOnPrevious?: boolean | undefined;
  /** Skip stretches without speech (Silero VAD). Default false. */
  readonly skipSilence?: boolean | undefined;
  /**
   * `full`: 30 s, as Whisper was trained. `fit`: the recording and a second, followed by cached silence; faster. Recordings
   * longer than 30 s always have full windows. Default `fit`.
   */
  readonly window?: WindowMode | undefined;
  /**
   * Called with the number of recordings done, shares of them counted, and with the seconds of audio that are done and
   * read so far.
   */
  readonly onProgress?: ((done: number, audio: AudioProgress) => void) | undefined;
  /** Called with each segment as soon as it and those before it are done: long recordings give text while they run. */
  readonly onSegment?: ((segment: Segment, audio: AudioSource) => void) | undefined;
  /** Called with notes on the results, a line each. */
  readonly onNote?: ((note: string) => void) | undefined;
  /** Aborts: pending promises reject with the signal's reason at once, and the model stays usable. */
  readonly signal?: AbortSignal | undefined;
}

export interface TranslateOptions extends TranscribeOptions {
  /** The language to translate into, as Whisper's code. Default: the model's target language, else 'en'. */
  readonly to?: string | undefined;
}
