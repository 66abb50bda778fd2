/** Clips as training and retrieval take them: held in memory, or read or made when they are needed. */

import type { EncodedClip } from './encoded-clip.ts';
import type { MelClip } from './mel-batch.ts';

/** As log-mel where the encoder is trained, else as encoder output: one form in all examples. */
export type ReadyClip = EncodedClip | MelClip;

/**
 * A clip's shape, and the clip itself when it is needed. What is made at random may have another shape at each visit:
 * `window` is then that of the longest.
 */
export type Lazy<C> = Omit<C, 'frames' | 'mel' | 'weights'> & {
  /** @param visit how many batches had this clip before: what is made at random depends on it */
  readonly read: (visit?: number) => Promise<C>;
};

export const isLazy = <C extends object>(clip: C | Lazy<C>): clip is Lazy<C> => 'read' in clip;

/** Whether the clip is, or will be, log-mel that a training step encodes: that has no width. */
export const isMel = (clip: object): boolean => !('width' in clip);
