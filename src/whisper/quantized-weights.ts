/** Weights of a graph after a round trip through the int8 format (quantize.ts), for quantisation-aware training. */
import type { Tensor } from '../graph/graph.ts';
import { INT8_LIMIT, SCALE_SUFFIX, scaleShape } from '../graph/int8.ts';
import { fakeQuantize, roundedToFloat16 } from '../graph/ops.ts';

/** Whether the int8 format keeps this weight as int8; the others it keeps as float16. */
export function isQuantized(name: string, shape: readonly number[]): boolean {
  return shape.length >= 2 && !name.endsWith('embed_positions.weight');
}

/** Rounded tensors by weight, shared within a graph. */
const roundedWeights = new WeakMap<Tensor, Tensor>();

/**
 * The weight after its int8 round trip; the gradient passes straight through. Its scales are a weight of the graph, too,
 * which `Runtime.storeRowScales` must compute before each run.
 */
export function asStored(weight: Tensor): Tensor {
  const known = roundedWeights.get(weight);
  if (known) return known;
  const { graph, name } = weight;
  const shape = weight.shape as readonly number[];
  const stored = isQuantized(name, shape)
    ? fakeQuantize(weight, graph.parameter(`${name}${SCALE_SUFFIX}`, scaleShape(shape)), INT8_LIMIT)
    : roundedToFloat16(weight);
  roundedWeights.set(weight, stored);
  return stored;
}
