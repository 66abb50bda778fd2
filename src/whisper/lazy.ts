/** Clips for training and retrieval: held in memory, or read or computed on demand. */

import type { EncodedClip } from './encoded-clip.ts';
import type { MelClip } from './mel-batch.ts';

/** Log-mel where the encoder is trained, else encoder output; the same in all examples. */
export type ReadyClip = EncodedClip | MelClip;

/**
 * A clip's shape, and the clip itself on demand. A randomly augmented clip may have another shape at each visit:
 * `window` is then that of the longest.
 */
export type Lazy<C> = Omit<C, 'frames' | 'mel' | 'weights'> & {
  /** @param visit number of earlier batches with this clip, on which random augmentation depends */
  readonly read: (visit?: number) => Promise<C>;
};

export const isLazy = <C extends object>(clip: C | Lazy<C>): clip is Lazy<C> => 'read' in clip;

/** Whether the clip is, or will be, log-mel (which has no width), encoded in the training step. */
export const isMel = (clip: object): boolean => !('width' in clip);
