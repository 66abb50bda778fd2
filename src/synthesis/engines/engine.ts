/** What the command asks of an engine that speaks: its voices, and a sentence in one of them. */

export interface EngineVoice {
  /** Without the engine: `slt`. */
  readonly name: string;
  /** BCP 47. */
  readonly language: string;
  /** The engine cannot change the pitch of this one. */
  readonly fixedPitch?: boolean;
}

export interface Sound {
  /** Mono, in [-1, 1]. */
  readonly samples: Float32Array;
  /** Hz */
  readonly sampleRate: number;
}

/** Factors of a voice's own speed and pitch; 1: as it speaks. */
export interface Manner {
  readonly rate: number;
  readonly pitch: number;
}

/** An engine that is loaded; used in a worker thread, one sentence at a time. */
export interface SpeechEngine {
  readonly voices: readonly EngineVoice[];
  /**
   * The same samples for the same text, voice and manner, whatever was spoken before.
   * @throws Error with one line where the engine fails
   */
  readonly speak: (text: string, voice: string, manner: Manner) => Promise<Sound>;
}

/** A row of the table of engines. */
export interface EngineKind {
  readonly name: string;
  readonly license: string;
  /** The npm package with its voices; undefined: none is needed. */
  readonly package: string | undefined;
  /** Lowest and highest factors of rate and pitch that still sound like speech; undefined: the engine cannot change them. */
  readonly rates?: readonly [number, number];
  readonly pitches?: readonly [number, number];
  /**
   * @param folder of its own, for files of a sentence
   * @param command the user's, for the engine that runs one
   * @param onProgram called with the id of a program that it has started, and with undefined once that has ended
   */
  readonly open: (
    folder: string,
    command: string,
    onProgram: (pid: number | undefined) => void,
  ) => Promise<SpeechEngine>;
}
