/** How a model computes its linear layers while it writes texts. */
import type { Runtime } from '../backend/runtime.ts';
import type { ProductForm } from '../graph/product-form.ts';

/** `int8`: in whole numbers of 8 bits, faster, where a text in some differs by a word from float32's. */
export type Compute = 'float32' | 'int8';
export const COMPUTES: readonly Compute[] = ['float32', 'int8'];

/** Forms of the products of both parts of a model. */
export interface ModelProducts {
  readonly encoder: ProductForm;
  readonly decoder: ProductForm;
}

/** The encoder multiplies many rows, a decoding step few: reading its weights takes longest. */
export async function productsFor(
  runtime: Runtime,
  compute: Compute | ModelProducts,
): Promise<ModelProducts> {
  if (typeof compute === 'object') return compute;
  if (compute === 'float32') return { encoder: 'float32', decoder: 'float32' };
  const bits = (await runtime.multipliesBytes()) ? 8 : 7;
  return { encoder: { scaled: 'rows', inputs: { bits, terms: 1 } }, decoder: { scaled: 'blocks', bits: 8 } };
}
