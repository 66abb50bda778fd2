/** Linear layers in the form that the variant of a graph computes in (graph/product-form.ts). */
import type { Tensor } from '../graph/graph.ts';
import { linearOfBlocks, linearOfRows } from '../graph/low-bits.ts';
import { linear } from '../graph/ops.ts';
import { BLOCK, BLOCKS_SUFFIX, type ProductForm, ROWS_SUFFIX, SCALES_SUFFIX } from '../graph/product-form.ts';
import { variantOf, weight } from './variant.ts';

/**
 * x·Wᵀ + b with the weight of this name, [out, in].
 * @param form default: the variant's
 */
export function linearProduct(
  x: Tensor,
  name: string,
  out: number,
  bias?: Tensor,
  form: ProductForm = variantOf(x.graph).products ?? 'float32',
): Tensor {
  const { graph } = x;
  const { prefix = '' } = variantOf(graph);
  const inner = x.shape.at(-1) as number;
  if (form !== 'float32' && form.scaled === 'rows') {
    const layout = `${prefix}${name}${ROWS_SUFFIX}`;
    const matrix = graph.parameter(layout, [inner, out], 'int8');
    return linearOfRows(x, matrix, graph.parameter(layout + SCALES_SUFFIX, [out]), bias, form.inputs);
  }
  // Few models have rows that are no multiple of a block.
  if (form === 'float32' || inner % BLOCK[form.bits] !== 0)
    return linear(x, weight(graph, name, [out, inner]), bias);
  const { bits } = form;
  const count = inner / BLOCK[bits];
  const layout = `${prefix}${name}${BLOCKS_SUFFIX[bits]}`;
  const blocks = graph.parameter(layout, [out, count, (BLOCK[bits] * bits) / 8], 'uint8');
  return linearOfBlocks(x, blocks, graph.parameter(layout + SCALES_SUFFIX, [out * count]), bias, bits);
}
