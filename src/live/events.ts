/** What live decoding of a stream tells, as it happens. Times are seconds of the stream that were heard. */

/** Which part of a hypothesis is committed (local-agreement.ts, alignatt.ts). */
export const LIVE_POLICIES = ['local-agreement', 'alignatt'] as const;
export type LivePolicy = (typeof LIVE_POLICIES)[number];

/** Text of one language: what is committed never changes and is appended; what is tentative is replaced by the next event. */
export interface LiveText {
  /** Committed since the last event: append it as it is, its spaces are in it. */
  readonly committed: string;
  /** What would follow, as it looks now. */
  readonly tentative: string;
}

export type LiveEvent =
  /** Somebody begins to speak. */
  | { readonly type: 'speech-start'; readonly utterance: number; readonly time: number }
  | {
      readonly type: 'text';
      /** From 1. */
      readonly utterance: number;
      /** In the language that is written. */
      readonly text: LiveText;
      /** With a model that translates English first: its English. */
      readonly english?: LiveText;
      /** The language spoken, once known, as Whisper's code. */
      readonly language?: string;
      /** Seconds of the stream that this was decoded from. */
      readonly time: number;
      /** Seconds from when those were heard to this event: what decoding cost, waiting included. */
      readonly lag: number;
    }
  /** The utterance has ended; everything of it is committed. */
  | {
      readonly type: 'utterance';
      readonly utterance: number;
      readonly start: number;
      readonly end: number;
      /** All of it. */
      readonly text: string;
      readonly english?: string;
      readonly language?: string;
    }
  /**
   * `voice-cut`: speech comes faster than it is decoded, so each utterance is decoded once, when it ends; `live`: as it comes
   * again. `dropped`: seconds of speech that were left out because even that is too slow.
   */
  | {
      readonly type: 'mode';
      readonly mode: 'live' | 'voice-cut';
      readonly time: number;
      readonly dropped: number;
    };
