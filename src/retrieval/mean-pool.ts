/** Mean pooling, the baseline of retrieval: each utterance as its mean frame. */
import type { Runtime } from '../backend/runtime.ts';
import { frameValues } from '../whisper/encoded-clip.ts';
import { type ComparedClip, changedClip, frameShares, type WeightedClip } from './clip-blocks.ts';
import { seqSimMatrix } from './seq-sim.ts';

/**
 * Cosine of the clips' mean frames.
 * @returns [sources, targets], row by row
 */
export function meanPoolMatrix(
  runtime: Runtime,
  sources: readonly ComparedClip[],
  targets: readonly ComparedClip[],
  onProgress?: (pairs: number) => void,
): Promise<Float32Array> {
  // Between clips of a single frame, SeqSim is their cosine.
  return seqSimMatrix(runtime, sources.map(asMean), targets.map(asMean), onProgress);
}

/** {@link averaged} for a clip that may lie on disk: then applied whenever it is read. */
export const averagedWhenRead = (clip: ComparedClip, span: number): ComparedClip =>
  changedClip(clip, Math.ceil(clip.length / span), (held) => averaged(held, span));

const asMean = (clip: ComparedClip): ComparedClip => averagedWhenRead(clip, Math.max(1, clip.length));

/** The clip reduced to its mean frame; a clip without frames stays empty. */
export const meanFrame = (clip: WeightedClip): WeightedClip => averaged(clip, Math.max(1, clip.length));

/** The clip with every `span` consecutive frames replaced by their mean; the last one may be of fewer. */
export function averaged(clip: WeightedClip, span: number): WeightedClip {
  const { width } = clip;
  const length = Math.ceil(clip.length / span);
  const frames = new Float32Array(length * width);
  const weights = new Float32Array(length);
  const values = frameValues(clip);
  const shares = frameShares(clip);
  for (let t = 0; t < length; t++) {
    const end = Math.min(clip.length, (t + 1) * span);
    let weight = 0;
    for (let i = t * span; i < end; i++) weight += shares[i]!;
    weights[t] = weight;
    for (let k = 0; k < width; k++) {
      let total = 0;
      for (let i = t * span; i < end; i++) total += shares[i]! * values[i * width + k]!;
      frames[t * width + k] = weight > 0 ? total / weight : 0;
    }
  }
  return { frames, window: length, length, width, weights };
}
