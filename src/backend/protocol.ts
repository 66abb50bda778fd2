/** What the main thread and the computing thread say to each other. */
import type { DType } from '../graph/graph.ts';

export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;
}

export interface WorkerOptions {
  readonly threads: number;
  /** Shared by both threads, see BUSY and ENDING. */
  readonly flags: Int32Array<SharedArrayBuffer>;
}

/** Places in the flags: 1 while the computing thread handles a request; 1 once it is to begin no other. */
export const BUSY = 0;
export const ENDING = 1;

export interface AdamWOptions {
  /** Step size of this step. */
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Gradients are scaled down so that their joint L2 norm is at most this; Infinity: never. */
  readonly clipNorm: number;
}

/** What AdamW remembers between steps, in the order of its weights' names. */
export interface AdamWState {
  /** Steps taken; those left out because a gradient was not finite do not count. */
  readonly steps: number;
  /** Running means of the gradients. */
  readonly means: readonly Float32Array[];
  /** Running means of their squares. */
  readonly squares: readonly Float32Array[];
}

/** A value that stays in the computing thread is named by its number. */
export type Request =
  | { type: 'store'; weights: readonly (readonly [string, HostTensor])[] }
  | { type: 'read'; names: readonly string[] }
  | { type: 'row-scales'; names: readonly string[] }
  | {
      type: 'load';
      bytes: Uint8Array;
      builtIn: readonly string[];
      fed: readonly string[];
      gradients: readonly string[];
      arena: boolean;
    }
  | { type: 'unload'; program: number }
  | {
      type: 'run';
      program: number;
      feeds: Readonly<Record<string, HostTensor | number>>;
      fetch: readonly string[];
      keep: readonly string[];
      free: readonly number[];
    }
  | { type: 'free'; residents: readonly number[] }
  | {
      type: 'adamw-create';
      names: readonly string[];
      accumulates: boolean;
      state: AdamWState | undefined;
    }
  | { type: 'adamw-accumulate'; share: number; reset: boolean }
  | { type: 'adamw-step'; options: AdamWOptions }
  | { type: 'adamw-state' }
  | { type: 'adamw-release' };

/** A request of one type. */
export type RequestOf<Type extends Request['type']> = Extract<Request, { type: Type }>;

export type Reply = { id: number; value: unknown } | { id: number; error: string };
