/** Output of each encoder layer for a clip: the features that probes are trained on. */

import { float32ToFloat16 } from '../../half-precision.ts';
import { averaged } from '../../retrieval/mean-pool.ts';
import { type EncodedClip, frameValues, type WindowMode } from '../../whisper/encoded-clip.ts';
import type { WhisperModel } from '../../whisper/model.ts';

/** `mean`: one vector a layer, the mean of the clip's own frames. `frames`: all of the clip's own frames. */
export type Pooling = 'mean' | 'frames';

export interface FeatureKind {
  readonly pooling: Pooling;
  readonly window: WindowMode;
}

export interface LayerFeatures {
  /** One more than the encoder has: the first is its input. */
  readonly layers: number;
  /** 1 where frames were averaged. */
  readonly frames: number;
  readonly width: number;
  /** float16 bits, [layers, frames, width] */
  readonly values: Uint16Array;
}

/** Clips encoded at a time: all their layers are in memory. */
export const CLIPS_AT_ONCE = 8;

/**
 * Features of clips (16 kHz mono) in the order given; the last layer is after the final layer norm.
 * @param onProgress called with the number of clips done
 */
export async function layerFeatures(
  model: WhisperModel,
  clips: readonly Float32Array[],
  { pooling, window }: FeatureKind,
  onProgress?: (done: number) => void,
): Promise<LayerFeatures[]> {
  const states = await model.encodeLayers(clips, window, { onProgress });
  const features: LayerFeatures[] = [];
  for (const i of clips.keys()) {
    const layers = states.map((layer) => layer[i]!);
    layers.push(await model.withFinalNorm(layers.pop()!));
    const own = layers.map((layer) => ownFrames(layer, pooling));
    const { width } = layers[0]!;
    const size = own[0]!.length;
    const values = new Uint16Array(layers.length * size);
    own.forEach((frames, k) => values.set(float32ToFloat16(frames), k * size));
    features.push({ layers: layers.length, frames: size / width, width, values });
  }
  return features;
}

/** [frames, width] */
function ownFrames(clip: EncodedClip, pooling: Pooling): Float32Array {
  // A clip without samples has a frame of silence.
  const length = Math.max(1, clip.length);
  return pooling === 'mean'
    ? frameValues(averaged({ ...clip, length }, length))
    : frameValues(clip).subarray(0, length * clip.width);
}
