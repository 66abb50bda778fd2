/** How a model computes its linear layers while it writes texts. */
import type { Runtime } from '../backend/runtime.ts';
import { UserError } from '../errors.ts';
import { inFloat16 } from '../graph/float16.ts';
import type { Graph } from '../graph/graph.ts';
import type { ProductForm } from '../graph/product-form.ts';
import type { ModelVariant } from './variant.ts';

/**
 * `int8`: in whole numbers of 8 bits, the CPU's alone; faster, where a text in some differs by a word from float32's.
 * `float16`: for graphics cards, half the memory (experimental); the CPU gives the same, more slowly than in float32.
 */
export type Compute = 'float32' | 'float16' | 'int8';
export const COMPUTES: readonly Compute[] = ['float32', 'float16', 'int8'];

/** How a part of a model computes: with products of a form, or all of it in float16 (graph/float16.ts). */
export type PartForm = ProductForm | 'float16';

/** Forms of both parts of a model. */
export interface ModelProducts {
  readonly encoder: PartForm;
  readonly decoder: PartForm;
}

/**
 * The encoder multiplies many rows, a decoding step few: reading its weights takes longest.
 * @throws UserError where the device does not compute so
 */
export async function productsFor(
  runtime: Runtime,
  compute: Compute | ModelProducts,
): Promise<ModelProducts> {
  if (typeof compute === 'object') return compute;
  if (compute === 'int8' && runtime.device !== 'cpu') {
    throw new UserError(
      `device ${runtime.device}: found compute int8, which is the CPU's alone; expected float32 or float16`,
    );
  }
  if (compute === 'float16') await runtime.requireFloat16();
  if (compute !== 'int8') return { encoder: compute, decoder: compute };
  const bits = (await runtime.multipliesBytes()) ? 8 : 7;
  return { encoder: { scaled: 'rows', inputs: { bits, terms: 1 } }, decoder: { scaled: 'blocks', bits: 8 } };
}

/** The variant that computes in a form. The encoder's attention is one operator where that gains: not in float32 on a CPU. */
export function variantFor(form: PartForm): ModelVariant {
  if (form === 'float32') return {};
  if (form === 'float16') return { attention: { bias: 'scores' } };
  return { products: form, attention: { bias: 'keys' } };
}

/**
 * The graph in a form.
 * @param exact weights whose products stay in float32
 */
export function inForm(graph: Graph, form: PartForm, exact: readonly string[] = []): Graph {
  return form === 'float16'
    ? inFloat16(graph, { isHalf: (name) => KEYS_AND_VALUES.test(name), exact })
    : graph;
}

/** Names of inputs and outputs that stay with the computing thread. */
const KEYS_AND_VALUES = /(^|\.)(keys|values)\.\d+$/;
