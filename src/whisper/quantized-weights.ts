/** Weights of a graph after a round trip through their stored form (quantize.ts), for quantisation-aware training. */
import type { Json } from '../checkpoint/directory.ts';
import { product, type Tensor } from '../graph/graph.ts';
import { fakeQuantize, reshape, roundedToFloat16 } from '../graph/ops.ts';
import { type Bits, SCALE_SUFFIX, storedForm } from '../graph/stored-form.ts';

/** Whether `quantize` keeps this weight with 8 or 4 bits; the others it keeps as float16. */
export function isQuantized(name: string, shape: readonly number[]): boolean {
  return shape.length >= 2 && !name.endsWith('embed_positions.weight');
}

/** Name of the method in config.json, by the bits. */
export const quantMethod = (bits: Bits): string => `whisper-transfer-int${bits}`;

/** The bits in which `quantize` stored a model's weights, where it did. */
export function storedBits(config: Json): Bits | undefined {
  const { quant_method: method } = (config.quantization_config ?? {}) as { quant_method?: string };
  return ([8, 4] as const).find((bits) => method === quantMethod(bits));
}

/** Rounded tensors by weight, shared within a graph. */
const roundedWeights = new WeakMap<Tensor, Tensor>();

/**
 * The weight after the round trip through its stored form; the gradient passes straight through. Its scales are a weight of the
 * graph, too, which `Runtime.storeRowScales` must compute before each run.
 */
export function asStored(weight: Tensor, bits: Bits): Tensor {
  const known = roundedWeights.get(weight);
  if (known) return known;
  const shape = weight.shape as readonly number[];
  const stored = isQuantized(weight.name, shape) ? quantized(weight, shape, bits) : roundedToFloat16(weight);
  roundedWeights.set(weight, stored);
  return stored;
}

/** Weights that share a scale are a row of their own while they are rounded. */
function quantized(weight: Tensor, shape: readonly number[], bits: Bits): Tensor {
  const { limit, perScale, scaleShape } = storedForm(shape, bits);
  const scales = product(scaleShape) as number;
  const scale = weight.graph.parameter(`${weight.name}${SCALE_SUFFIX}`, [scales, 1]);
  return reshape(fakeQuantize(reshape(weight, [scales, perScale]), scale, limit), shape);
}
