/** Messages between the main thread and the computing thread. */
import type { DType } from '../graph/graph.ts';
import type { Bits } from '../graph/stored-form.ts';
import type { WeightGroup } from '../graph/training-steps.ts';
import type { BlockedWeight, GradientParts } from './session-memory.ts';

export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint16Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;
}

/** Where graphs run: onnxruntime's name of the provider. */
export type Device = 'cpu' | 'webgpu' | 'cuda';

/** Name of an output that onnxruntime's binding cannot hand over: see in-place-run.ts. */
export const SEQUENCE = 'sequence';

export interface WorkerOptions {
  readonly threads: number;
  readonly device: Device;
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
  /** Largest L2 norm of all gradients together, which are scaled down to it; Infinity: no clipping. */
  readonly clipNorm: number;
}

/** State of AdamW between steps, in the order of its weights' names. */
export interface AdamWState {
  /** Steps taken, without those skipped because a gradient was not finite. */
  readonly steps: number;
  /** Running means of the gradients. */
  readonly means: readonly Float32Array[];
  /** Running means of their squares. */
  readonly squares: readonly Float32Array[];
}

/** A batch of a run of steps on a device: graph/training-steps.ts. */
export interface StepBatch {
  /** The training graph's inputs. */
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** `scheduleRow` */
  readonly schedule: readonly number[];
}

/** An input or output of an ONNX file, as it declares it. */
export interface DeclaredTensor {
  readonly name: string;
  readonly dtype: string;
  /** Sizes that are not fixed are names. */
  readonly shape: readonly (number | string)[];
}

/** Number of a tensor that stays in the computing thread. */
export type Request =
  | { type: 'probe' }
  | { type: 'store'; weights: readonly (readonly [string, HostTensor])[] }
  | { type: 'read'; names: readonly string[] }
  | { type: 'row-scales'; names: readonly string[]; bits: Bits }
  | {
      type: 'load';
      bytes: Uint8Array;
      builtIn: readonly string[];
      fed: readonly string[];
      blocks: readonly BlockedWeight[];
      gradients: readonly GradientParts[];
      kept: readonly string[];
      arena: boolean;
    }
  | { type: 'load-file'; file: string }
  | { type: 'unload'; program: number }
  | {
      type: 'run';
      program: number;
      feeds: Readonly<Record<string, HostTensor | number>>;
      fetch: readonly string[];
      keep: readonly string[];
      free: readonly number[];
    }
  | { type: 'free'; tensors: readonly number[] }
  | {
      type: 'adamw-create';
      names: readonly string[];
      accumulates: boolean;
      state: AdamWState | undefined;
    }
  | { type: 'adamw-gradients' }
  | { type: 'adamw-accumulate'; share: number; reset: boolean; gradients: Float32Array | undefined }
  | { type: 'adamw-step'; options: AdamWOptions }
  | { type: 'adamw-state' }
  | { type: 'adamw-release' }
  | {
      type: 'steps-create';
      groups: readonly WeightGroup[];
      accumulates: boolean;
      state: AdamWState | undefined;
    }
  | {
      type: 'steps-load';
      bytes: Uint8Array;
      builtIn: readonly string[];
      inputs: readonly string[];
      scalars: readonly string[];
      looped: boolean;
    }
  | { type: 'steps-run'; batches: readonly StepBatch[]; beta1: number; beta2: number }
  | { type: 'steps-unload' }
  | { type: 'steps-release' };

/** A request of one type. */
export type RequestOf<Type extends Request['type']> = Extract<Request, { type: Type }>;

export type Reply = { id: number; value: unknown } | { id: number; error: string };
