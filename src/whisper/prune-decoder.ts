/** Prunes decoder layers, for a smaller initial model as in Distil-Whisper (Gandhi et al. 2023). */

import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { UserError } from '../errors.ts';

/** Layers to keep, evenly spaced, with the first and the last; of one, the last. */
export function keptLayers(layers: number, kept: number): number[] {
  return Array.from({ length: kept }, (_, i) =>
    i === kept - 1 ? layers - 1 : Math.floor((i * (layers - 1)) / (kept - 1)),
  );
}

/** @throws UserError where the model has fewer layers */
export function withDecoderLayers(checkpoint: Checkpoint, kept: number): Checkpoint {
  const { decoderLayers: layers } = checkpoint.dimensions;
  if (kept > layers) {
    throw new UserError(
      `${checkpoint.directory}: has ${layers} decoder layers; expected at least the ${kept} that are to stay`,
    );
  }
  if (kept === layers) return checkpoint;
  const places = new Map(keptLayers(layers, kept).map((from, to) => [from, to]));
  const weights: Checkpoint['weights'] = new Map();
  for (const [name, weight] of checkpoint.weights) {
    const [, before, layer, after] = /^(model\.decoder\.layers\.)(\d+)(\..*)$/.exec(name) ?? [];
    if (layer === undefined) weights.set(name, weight);
    else if (places.has(Number(layer))) weights.set(`${before}${places.get(Number(layer))}${after}`, weight);
  }
  const { alignment_heads, ...generationConfig } = checkpoint.generationConfig;
  const heads = ((alignment_heads ?? []) as [number, number][]).flatMap(([layer, head]) =>
    places.has(layer) ? [[places.get(layer)!, head]] : [],
  );
  return {
    ...checkpoint,
    dimensions: { ...checkpoint.dimensions, decoderLayers: kept },
    weights,
    config: { ...checkpoint.config, decoder_layers: kept },
    // The alignment heads of kept layers; without any, those of the upper half are used.
    generationConfig: heads.length > 0 ? { ...generationConfig, alignment_heads: heads } : generationConfig,
  };
}
