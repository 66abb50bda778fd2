/** Defaults of live decoding, measured on real speech: docs/live.md. */
export const liveDefaults = {
  /** Seconds of speech between two updates. */
  interval: 0.4,
  /** Seconds of silence that end an utterance. */
  silence: 0.5,
  /** Seconds after which an utterance is cut. */
  longest: 25,
  /** AlignAtt: encoder frames (50 a second) at the end of what was heard: a token that attends there is not written yet. */
  frames: 25,
  /** AlignAtt: a token that attends so many frames before the one before it has lost the thread. */
  rewind: 200,
} as const;
