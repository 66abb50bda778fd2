/**
 * Quantisation-aware training: each step uses the trained weights as `quantize` will store them, and gradients pass
 * straight through the rounding (quantized-weights.ts). Frozen weights are rounded once, at the start. With distillation
 * this is DQ-Whisper (Shao et al. 2024).
 */
import { type Weight, whisperTensors } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import type { Bits } from '../graph/stored-form.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { quantizedWeight } from '../whisper/quantize.ts';
import { isQuantized } from '../whisper/quantized-weights.ts';
import { type Tuning, tunedWeights } from './tuned-weights.ts';

/** Trained weights whose scales must be recomputed before each step. */
export function scaledWeights(dimensions: WhisperDimensions, tuning: Tuning): string[] {
  if (!tuning.quantization) return [];
  const shapes = whisperTensors(dimensions);
  return tunedWeights(dimensions, tuning).filter((name) => {
    const shape = shapes.get(name);
    return shape !== undefined && isQuantized(name, shape);
  });
}

/** Replaces the frozen weights by what their stored form gives back. Call it before clips are encoded. */
export async function quantizeFrozen(model: WhisperModel, tuning: Tuning): Promise<void> {
  if (!tuning.quantization) return;
  const trained = new Set(tunedWeights(model.dimensions, tuning));
  await quantizeWeights(
    model,
    model.weightNames.filter((name) => !trained.has(name)),
    tuning.quantization.bits,
  );
}

/** Replaces trained weights by what their stored form gives back. @returns a function that undoes it */
export async function quantizeWeights(
  model: WhisperModel,
  names: readonly string[],
  bits: Bits,
): Promise<() => Promise<void>> {
  const { runtime } = model;
  const before = (await runtime.read(names)) as unknown as Weight[];
  const put = async (weights: readonly Weight[]) => {
    await runtime.store(names.map((name, i): [string, Weight] => [name, weights[i]!]));
    await model.decoderChanged();
    if (names.some((name) => name.startsWith('model.encoder.'))) await model.encoderChanged();
  };
  await put(names.map((name, i) => quantizedWeight(name, before[i]!, bits)));
  return () => put(before);
}
