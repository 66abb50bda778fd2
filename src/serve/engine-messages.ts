/** Messages between the server and the process that computes: plain values, which structured cloning copies. */
import type { Segment, Transcript } from '../decoding/transcript.ts';
import { UserError } from '../errors.ts';
import type { LiveEvent } from '../live/events.ts';
import type { Compute } from '../whisper/compute.ts';
import type { LiveRequest, SpeechRequest } from './engine.ts';

export interface ModelInMemory {
  readonly id: string;
  readonly directory: string;
  /** What it is taken to need in memory. */
  readonly bytes: number;
}

export interface ComputingOptions {
  /** The first one is loaded at the start. */
  readonly models: readonly ModelInMemory[];
  readonly compute?: Compute | undefined;
  readonly threads?: number | undefined;
  /** Bytes that all models together may need. */
  readonly memory: number;
  /** Seconds after which an unused model leaves memory. */
  readonly unloadAfter?: number | undefined;
}

/** To the process that computes; `id` is that of a request or a stream. */
export type EngineMessage =
  | { readonly type: 'begin'; readonly options: ComputingOptions }
  | { readonly type: 'transcribe'; readonly id: number; readonly request: SpeechRequest }
  | { readonly type: 'abort'; readonly id: number }
  | { readonly type: 'live'; readonly id: number; readonly request: LiveRequest }
  | { readonly type: 'samples'; readonly id: number; readonly samples: Float32Array }
  | { readonly type: 'commit' | 'end'; readonly id: number }
  | { readonly type: 'close'; readonly id: number };

export interface ComputingStatus {
  /** Resident bytes. */
  readonly memory: number;
  readonly loaded: readonly string[];
  readonly windows: number;
  readonly batches: number;
  readonly audioSeconds: number;
  /** Milliseconds in which they were computed. */
  readonly milliseconds: number;
}

export type EngineReply =
  | { readonly type: 'ready' }
  | { readonly type: 'status'; readonly status: ComputingStatus }
  /** The recording was read. */
  | { readonly type: 'begun'; readonly id: number; readonly seconds: number }
  | {
      readonly type: 'segment';
      readonly id: number;
      readonly segment: Segment;
      readonly language: string;
    }
  | { readonly type: 'done'; readonly id: number; readonly transcript: Transcript }
  | { readonly type: 'event'; readonly id: number; readonly event: LiveEvent }
  /** A stream is open, or has ended. */
  | { readonly type: 'opened' | 'ended'; readonly id: number }
  /** `user`: asking again gives the same (UserError). Without an id the process cannot begin. */
  | {
      readonly type: 'failed';
      readonly id?: number;
      readonly kind: 'user' | 'internal';
      readonly message: string;
    };

export const errorOf = ({ kind, message }: Extract<EngineReply, { type: 'failed' }>): Error =>
  kind === 'user' ? new UserError(message) : new Error(message);
