/** Clips as training takes them: held in memory, or read and made when a batch needs them. */

import type { EncodedClip } from './encoded-clip.ts';
import type { MelClip } from './mel-batch.ts';

/** As log-mel where the encoder is trained, else as encoder output: one form in all examples. */
export type ReadyClip = EncodedClip | MelClip;

export interface DeferredClip {
  readonly form: 'mel' | 'encoded';
  /** Encoder frames of the longest window that it has on any visit. */
  readonly window: number;
  /** Encoder frames that come from the clip itself. */
  readonly length: number;
  /** @param visit how many batches had this example before: what is made by chance depends on it */
  readonly read: (visit: number) => Promise<ReadyClip>;
}

export const isDeferred = (clip: ReadyClip | DeferredClip): clip is DeferredClip => 'read' in clip;

/** Whether the clip is, or will be, log-mel that a training step encodes. */
export const isMel = (clip: ReadyClip | DeferredClip): boolean =>
  isDeferred(clip) ? clip.form === 'mel' : 'mel' in clip;
