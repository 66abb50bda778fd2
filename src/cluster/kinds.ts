/** Kinds of jobs: what workers can do with a shard's rows. A new one is a row here. */
import type { Roots } from './roots.ts';
import type { FailedRow, Row, Run } from './run.ts';
import type { Membership } from './train-member.ts';

/** What a kind of job is given by the worker that does it. */
export interface KindContext {
  /** The path of a file of the coordinator's on this machine. */
  readonly here: (path: string) => string;
  /** Folder of the run's model on this machine. */
  readonly model: string;
  /** Whether this worker runs programs that a run names. */
  readonly allowCommands: boolean;
  /** Called with a note to the user, one line. */
  readonly onNote: (note: string) => void;
  /** Called with a recording that is cut off or damaged. */
  readonly onDamage: (file: string, damage: string) => void;
}

/**
 * One result for each row, in their order. It depends on the rows, options and models alone.
 * @throws UserError where this worker cannot go on with the run
 */
export type ShardWork<R extends Row, Result extends object> = (
  rows: readonly R[],
) => Promise<(Result | FailedRow)[]>;

export interface JobKind<Options, R extends Row, Result extends object> {
  /** Loads what all shards of a run need. @throws UserError where this worker cannot take part */
  readonly open: (options: Options, context: KindContext) => Promise<ShardWork<R, Result>>;
}

// biome-ignore lint/suspicious/noExplicitAny: each kind has rows and results of its own
type AnyKind = JobKind<any, any, any>;

/** Work that is not cut into shards beforehand: a worker's process takes part until the run ends. */
export type TakePart = (
  run: Run,
  membership: Membership,
  context: Pick<KindContext, 'model'> & { readonly roots: Roots },
) => Promise<void>;

/** What workers are said to do, and how it is done; each is loaded when it is needed. */
export const JOB_KINDS: Readonly<
  Record<
    string,
    { readonly doing: string } & (
      | { readonly load: () => Promise<AnyKind> }
      | { readonly join: () => Promise<TakePart> }
    )
  >
> = {
  encode: { doing: 'encoding', load: async () => (await import('./encode.ts')).encodeShards },
  evaluate: { doing: 'evaluating', load: async () => (await import('./evaluate.ts')).evaluateShards },
  synthesise: {
    doing: 'synthesising',
    load: async () => (await import('./synthesise.ts')).synthesiseShards,
  },
  train: { doing: 'training', join: async () => (await import('./train-member.ts')).computeBatches },
  transcribe: { doing: 'transcribing', load: async () => (await import('./transcribe.ts')).transcribeShards },
};
