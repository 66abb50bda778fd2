/** Several encoded clips as one batch for the decoder: clips and their silence tails, padded to one length. */

import { float32, type HostTensor } from '../backend/runtime.ts';
import { largest } from '../extremes.ts';
import { MASKED } from '../graph/ops.ts';
import { type EncodedClip, FULL_WINDOW_POSITIONS, frameValues } from './encoded-clip.ts';
import type { SilenceTails } from './silence-tail.ts';

export interface AudioBatch {
  /** [clips, frames, width] */
  readonly frames: HostTensor;
  /** [clips, 1, 1, frames] */
  readonly frameBias: HostTensor;
}

export function audioBatch(clips: readonly EncodedClip[], tails: SilenceTails | undefined): AudioBatch {
  const width = clips[0]!.width;
  const parts = clips.map((clip) => ({
    clip,
    tail: clip.window < FULL_WINDOW_POSITIONS ? tails?.after(clip.window) : undefined,
  }));
  const length = largest(parts, ({ clip, tail }) => clip.window + (tail?.bias.length ?? 0));
  const frames = new Float32Array(clips.length * length * width);
  const bias = new Float32Array(clips.length * length).fill(MASKED);
  parts.forEach(({ clip, tail }, i) => {
    frames.set(frameValues(clip), i * length * width);
    bias.fill(0, i * length, i * length + clip.window);
    if (tail) {
      frames.set(tail.frames, (i * length + clip.window) * width);
      bias.set(tail.bias, i * length + clip.window);
    }
  });
  return {
    frames: float32(frames, [clips.length, length, width]),
    frameBias: float32(bias, [clips.length, 1, 1, length]),
  };
}
