/** How a model computes its linear layers while it writes texts. */
import type { Runtime } from '../backend/runtime.ts';
import { UserError } from '../errors.ts';
import { inFloat16 } from '../graph/float16.ts';
import type { Graph } from '../graph/graph.ts';
import type { ProductForm } from '../graph/product-form.ts';
import type { ModelVariant } from './variant.ts';

/**
 * `auto`: float32, and where a model's weights have 8 bits small decoding steps in whole numbers with inputs of 16 bits, which
 * are faster and write float32's texts. `int8`: in whole numbers of 8 bits, the CPU's alone; faster, where a text in some differs by a word.
 * `float16`: for graphics cards, half the memory (experimental); the CPU gives the same, more slowly than in float32.
 */
export type Compute = 'auto' | 'float32' | 'float16' | 'int8';
export const COMPUTES: readonly Compute[] = ['auto', 'float32', 'float16', 'int8'];

/** How a part of a model computes: with products of a form, or all of it in float16 (graph/float16.ts). */
export type PartForm = ProductForm | 'float16';

/** Forms of both parts of a model. */
export interface ModelProducts {
  readonly encoder: PartForm;
  readonly decoder: PartForm;
  /** The most tokens of a decoding step, of all texts together, for the decoder's form; more are computed in float32. Default: all. */
  readonly decoderRows?: number;
}

const FLOAT32: ModelProducts = { encoder: 'float32', decoder: 'float32' };

/**
 * Tokens of a decoding step up to which products with inputs of two terms take less time than float32's: with instructions for
 * products of bytes, and without (benchmarks.md).
 */
const ROWS_OF_TWO_TERMS = { 8: 48, 7: 8 } as const;

/**
 * The encoder multiplies many rows, a decoding step few: reading its weights takes longest.
 * @param wholeNumbers whether the weights of the decoder's products are whole numbers of 8 bits with a scale for each row
 * @throws UserError where the device does not compute so
 */
export async function productsFor(
  runtime: Runtime,
  compute: Compute | ModelProducts,
  { wholeNumbers }: { readonly wholeNumbers: boolean },
): Promise<ModelProducts> {
  if (typeof compute === 'object') return compute;
  if (compute === 'int8' && runtime.device !== 'cpu') {
    throw new UserError(
      `device ${runtime.device}: found compute int8, which is the CPU's alone; expected auto, float32 or float16`,
    );
  }
  if (compute === 'float16') await runtime.requireFloat16();
  if (compute === 'float32' || compute === 'float16') return { encoder: compute, decoder: compute };
  if (compute === 'auto' && (runtime.device !== 'cpu' || !wholeNumbers)) return FLOAT32;
  const bits = (await runtime.multipliesBytes()) ? 8 : 7;
  if (compute === 'int8')
    return {
      encoder: { scaled: 'rows', inputs: { bits, terms: 1 } },
      decoder: { scaled: 'blocks', bits: 8 },
    };
  return {
    ...FLOAT32,
    decoder: { scaled: 'rows', inputs: { bits, terms: 2 } },
    decoderRows: ROWS_OF_TWO_TERMS[bits],
  };
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
