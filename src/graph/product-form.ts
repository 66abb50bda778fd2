/**
 * How linear layers compute, and how their weights are laid out for it. The computing thread makes these from the float32
 * weights when a graph is compiled (backend/product-weights.ts); the suffix of a name says which one it is.
 */
import type { InputRounding } from './low-bits.ts';
import type { Bits } from './stored-form.ts';

/**
 * `float32`. Whole numbers, else: `rows`: weights of 8 bits, with a scale for each output, and rounded inputs with a scale for
 * each row: fastest for many rows. `blocks`: weights of so many bits and inputs of 8, with a scale for each block of a row: fastest
 * for few rows, where reading the weights takes longest.
 */
export type ProductForm =
  | 'float32'
  | { readonly scaled: 'rows'; readonly inputs: InputRounding }
  | { readonly scaled: 'blocks'; readonly bits: Bits };

/** Numbers in a block: of more they are faster, of fewer more exact. */
export const BLOCK = { 8: 128, 4: 32 } as const;

/** float16, of the weight's own shape. */
export const HALF_SUFFIX = '.float16';
/** int8 [in, out]: a weight transposed, as products of rows read it. */
export const ROWS_SUFFIX = '.int8-rows';
/** uint8 [out, blocks, bytes of a block], as onnxruntime's MatMulNBits reads them. */
export const BLOCKS_SUFFIX = { 8: '.int8-blocks', 4: '.int4-blocks' } as const;
/** Beside either: the scales. */
export const SCALES_SUFFIX = '.scales';
