/** Options of transcription and translation. */
import type { AudioSource } from '../audio/audio-source.ts';
import type { Span } from '../audio/decode-audio.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { DecodingChoice } from './decoding-choice.ts';
import type { FallbackOptions } from './fallback.ts';
import type { PromptChoice } from './prompt-choice.ts';
import type { Segment, Transcript } from './transcript.ts';

/** Seconds of audio: done, and read so far; of a single recording the second is its length. */
export interface AudioProgress {
  readonly done: number;
  readonly total: number;
}

export interface TranscribeOptions
  extends DecodingChoice,
    PromptChoice,
    Omit<FallbackOptions, 'temperatures'> {
  /** The language spoken, as Whisper's code: 'fr'. Default: detected in the first windows in which somebody speaks. */
  readonly from?: string | undefined;
  /** Detect the language of each window of up to 15 s, rather than one for each recording. Default false. */
  readonly languagePerWindow?: boolean | undefined;
  /** Word timestamps, in `segments[].words`. Default false. */
  readonly words?: boolean | undefined;
  /**
   * Find who speaks: `segments[].speaker`, with `words` also that of each word, and `turns`. A number where it is known how
   * many speak, else they are told apart by a threshold. Default false.
   */
  readonly speakers?: boolean | number | undefined;
  /** Folder that `speaker train` wrote with this model. Default: embeddings that come with the package. */
  readonly speakerModel?: string | undefined;
  /** Timestamps of segments. Default: for recordings with more than 30 s of speech, with `words` and with `speakers`. */
  readonly timestamps?: boolean | undefined;
  /** Give each window of a long recording the previous text as context. Default false. */
  readonly conditionOnPrevious?: boolean | undefined;
  /**
   * Cut recordings with more than 30 s of speech in their pauses, and decode many pieces at once, each in a window of its own
   * length. Else they are decoded in full windows of 30 s, each from where the one before ended. Default true; false with
   * `conditionOnPrevious`, and with `window: 'full'`.
   */
  readonly batched?: boolean | undefined;
  /** Skip stretches without speech (Silero VAD). Default false. */
  readonly skipSilence?: boolean | undefined;
  /** Transcribe only this span, in seconds; times are the recording's. Default: all of it. */
  readonly clip?: Span | undefined;
  /** `separate`: each channel for itself, such as a speaker of a call, merged by time. Default `mix`: their mean. */
  readonly channels?: 'mix' | 'separate' | undefined;
  /**
   * `full`: 30 s, as Whisper was trained. `fit`: the recording and a second, followed by cached silence; faster. Recordings
   * with more than 30 s of speech have full windows where they are not `batched`. Default `fit`.
   */
  readonly window?: WindowMode | undefined;
  /**
   * Called with the number of recordings done, shares of them counted, and with the seconds of audio that are done and
   * read so far.
   */
  readonly onProgress?: ((done: number, audio: AudioProgress) => void) | undefined;
  /**
   * Called while a recording is read, and then while its speakers are found, with the seconds so far: both are done before
   * the first text, which takes a while in recordings of hours.
   */
  readonly onRead?:
    | ((audio: AudioSource, seconds: number, stage: 'reading' | 'speakers') => void)
    | undefined;
  /** Called with each segment as soon as it and those before it are done: long recordings give text while they run. */
  readonly onSegment?:
    | ((
        segment: Segment,
        recording: Pick<Transcript<AudioSource>, 'audio' | 'language' | 'duration'>,
      ) => void)
    | undefined;
  /** Called with notes on the results, a line each. */
  readonly onNote?: ((note: string) => void) | undefined;
  /** Aborts: pending promises reject with the signal's reason at once, and the model stays usable. */
  readonly signal?: AbortSignal | undefined;
}

export interface TranslateOptions extends TranscribeOptions {
  /** The language to translate into, as Whisper's code. Default: the model's target language, else 'en'. */
  readonly to?: string | undefined;
}
