/**
 * What the server asks of the process that computes. HTTP and sessions know only this: recordings and streams in, texts out;
 * the process behind it loads models, batches what is asked at the same time, and is started again where it dies.
 */
import type { TranslateOptions } from '../decoding/transcribe-options.ts';
import type { Segment, Transcript } from '../decoding/transcript.ts';
import type { LiveEvent, LivePolicy } from '../live/events.ts';
import type { Task } from '../whisper/tokens.ts';

/** A model that is served. */
export interface ServedModel {
  /** Its name in requests. */
  readonly id: string;
  readonly directory: string;
  /** Seconds since 1970: when its weights were written. */
  readonly created: number;
  /** Languages that it hears, as Whisper's codes. */
  readonly languages: readonly string[];
  /** The language that it translates into unless told otherwise. */
  readonly target: string;
  /** Whether it writes English before the target language. */
  readonly englishFirst: boolean;
}

/** A recording to transcribe or translate. */
export interface SpeechRequest {
  /** Id of a served model. */
  readonly model: string;
  readonly task: Task;
  /** File with the recording, which the server wrote. */
  readonly audio: string;
  readonly options: Pick<
    TranslateOptions,
    | 'from'
    | 'to'
    | 'prompt'
    | 'temperature'
    | 'fallback'
    | 'beams'
    | 'words'
    | 'timestamps'
    | 'speakers'
    | 'skipSilence'
  >;
}

export interface SpeechEvents {
  /** Each segment as soon as it and those before it are done. */
  readonly onSegment?: ((segment: Segment, language: string) => void) | undefined;
  /** Aborts: nothing more is computed for it. */
  readonly signal?: AbortSignal | undefined;
}

/** A stream to decode live. */
export interface LiveRequest {
  readonly model: string;
  readonly task: Task;
  /** The language spoken. Default: detected. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly prompt?: string | undefined;
  readonly policy?: LivePolicy | undefined;
}

/** A stream that is being decoded. */
export interface LiveStream {
  /** Mono samples of 16 kHz from −1 to 1, as they come. */
  push(samples: Float32Array): void;
  /** Ends the utterance in progress, as a pause does. */
  commit(): void;
  /** No more samples come: the events end when all is committed. */
  end(): void;
  /** Nothing more is wanted. */
  close(): void;
  /** Ends with an error where the engine dies. */
  readonly events: AsyncIterable<LiveEvent>;
}

/** No answer can be given now, but later: the process that computes died, is being started, or is at its limit. */
export class EngineUnavailable extends Error {
  constructor(
    message: string,
    /** `busy`: the queue is full; `down`: the process died with what it was computing. */
    readonly reason: 'busy' | 'down',
    /** Seconds after which to ask again. */
    readonly retryAfter: number,
  ) {
    super(message);
  }
}

export interface EngineStatus {
  readonly ready: boolean;
  /** Requests that wait or are being computed, and the most that may. */
  readonly requests: number;
  readonly limit: number;
  /** Live streams that are open, and the most that may be. */
  readonly streams: number;
  readonly streamLimit: number;
  /** How often the process that computes was started again. */
  readonly restarts: number;
  /** Of that process: resident bytes. */
  readonly memory: number;
  /** Ids of the models in memory. */
  readonly loaded: readonly string[];
  /** Windows decoded, batches that they were decoded in, and seconds of audio in them, since the start. */
  readonly windows: number;
  readonly batches: number;
  readonly audioSeconds: number;
}

export interface Engine {
  readonly models: readonly ServedModel[];
  /**
   * @throws UserError where the recording or an option cannot be used: asking again gives the same
   * @throws EngineUnavailable where it may be asked again later
   */
  transcribe(request: SpeechRequest, events?: SpeechEvents): Promise<Transcript>;
  /** @throws as transcribe */
  live(request: LiveRequest): Promise<LiveStream>;
  status(): EngineStatus;
  /** Finishes what is asked, at most `seconds` long, and ends the process. */
  close(seconds?: number): Promise<void>;
}
