/** Weights in the layouts of products of fewer bits (graph/product-form.ts), made from the float32 ones. */
import { BLOCK, BLOCKS_SUFFIX, HALF_SUFFIX, ROWS_SUFFIX, SCALES_SUFFIX } from '../graph/product-form.ts';
import { float32ToFloat16 } from '../half-precision.ts';
import { byteRows } from './byte-rows.ts';

export interface ProductWeight {
  readonly values: Int8Array | Uint8Array;
  readonly scales: Float32Array;
}

type Layout = (weight: Float32Array, rows: number) => ProductWeight;

const LAYOUTS: Readonly<Record<string, Layout>> = {
  [ROWS_SUFFIX]: byteRows,
  [BLOCKS_SUFFIX[8]]: asBlocks,
  [BLOCKS_SUFFIX[4]]: asHalfBytes,
};

/**
 * The bytes of weights by name, each computed once.
 * @param weightOf the float32 weight of a name
 */
export function productWeights(
  weightOf: (name: string) => { readonly data: Float32Array; readonly dims: readonly number[] },
): (name: string) => ArrayBufferView | undefined {
  const made = new Map<string, ProductWeight>();
  return (name) => {
    if (name.endsWith(HALF_SUFFIX))
      return float32ToFloat16(weightOf(name.slice(0, -HALF_SUFFIX.length)).data);
    const isScales = name.endsWith(SCALES_SUFFIX);
    const layoutName = isScales ? name.slice(0, -SCALES_SUFFIX.length) : name;
    const suffix = Object.keys(LAYOUTS).find((known) => layoutName.endsWith(known));
    if (suffix === undefined) return undefined;
    let found = made.get(layoutName);
    if (!found) {
      const { data, dims } = weightOf(layoutName.slice(0, -suffix.length));
      found = LAYOUTS[suffix]!(data, dims[0]!);
      made.set(layoutName, found);
    }
    return isScales ? found.scales : found.values;
  };
}

/** Adding it rounds a number below 2²² to the nearest whole one, ties to even: float32 has a step of 1 there. */
const ROUNDING = 12_582_912;

/**
 * The scale of some weights in a row: the largest size / limit. A weight that has been stored with the limit (stored-form.ts) comes
 * out as the whole number that it was.
 */
function scaleOf(weight: Float32Array, from: number, to: number, limit: number): number {
  let largest = 0;
  for (let i = from; i < to; i++) {
    const size = Math.abs(weight[i]!);
    if (size > largest) largest = size;
  }
  return largest === 0 ? 1 : Math.fround(largest / limit);
}

function asBlocks(weight: Float32Array, rows: number): ProductWeight {
  const columns = weight.length / rows;
  const perRow = columns / BLOCK[8];
  const values = new Uint8Array(weight.length);
  const scales = new Float32Array(rows * perRow);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    const scale = scaleOf(weight, from, from + columns, 127);
    scales.fill(scale, row * perRow, (row + 1) * perRow);
    const inverse = 1 / scale;
    for (let i = from; i < from + columns; i++) {
      values[i] = Math.fround(weight[i]! * inverse + ROUNDING) - ROUNDING + 128;
    }
  }
  return { values, scales };
}

/** Two weights a byte, the first in its low half, each with 8 added. */
function asHalfBytes(weight: Float32Array): ProductWeight {
  const values = new Uint8Array(weight.length / 2);
  const scales = new Float32Array(weight.length / BLOCK[4]);
  for (let block = 0; block < scales.length; block++) {
    const from = block * BLOCK[4];
    const scale = scaleOf(weight, from, from + BLOCK[4], 7);
    scales[block] = scale;
    const inverse = 1 / scale;
    for (let i = from; i < from + BLOCK[4]; i += 2) {
      const low = Math.fround(weight[i]! * inverse + ROUNDING) - ROUNDING + 8;
      const high = Math.fround(weight[i + 1]! * inverse + ROUNDING) - ROUNDING + 8;
      values[i / 2] = low + (high << 4);
    }
  }
  return { values, scales };
}
