/**
 * Weights of 8 bits with a scale for each row, transposed, as products of rows read them (graph/product-form.ts): WebAssembly SIMD
 * (kernels/byte-rows.ts), since half of a model's weights are made into them before the first word.
 */
import { compiledKernel } from './compiled-kernel.ts';

/** Rows that the kernel has at a time, a multiple of 16: their columns are copied as one. */
const ROWS = 256;
const PAGE = 65_536;

type Kernel = (
  weights: number,
  rows: number,
  columns: number,
  values: number,
  scales: number,
  inverses: number,
) => void;

let kernel: { readonly memory: WebAssembly.Memory; readonly run: Kernel } | undefined;

function loaded() {
  if (!kernel) {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { exports } = new WebAssembly.Instance(compiledKernel('byte-rows'), { env: { memory } });
    kernel = { memory, run: exports.byteRows as Kernel };
  }
  return kernel;
}

/**
 * A weight that has been stored with 8 bits (stored-form.ts) comes out as the whole number that it was.
 * @param weight [rows, columns]
 * @returns int8 [columns, rows], and the scales [rows]: the largest size in each / 127, or 1 where that is 0
 */
export function byteRows(
  weight: Float32Array,
  rows: number,
): { readonly values: Int8Array; readonly scales: Float32Array } {
  const { memory, run } = loaded();
  const columns = weight.length / rows;
  const width = Math.ceil(columns / 4) * 4;
  // Scales and their inverses, the whole numbers, then the weights.
  const inversesAt = 4 * ROWS;
  const valuesAt = 8 * ROWS;
  const weightsAt = valuesAt + ROWS * width;
  const missing = Math.ceil((weightsAt + 4 * ROWS * width) / PAGE) - memory.buffer.byteLength / PAGE;
  if (missing > 0) memory.grow(missing);
  const given = new Float32Array(memory.buffer, weightsAt, ROWS * width);
  const found = new Int8Array(memory.buffer, valuesAt, ROWS * width);
  const values = new Int8Array(weight.length);
  const scales = new Float32Array(rows);
  for (let first = 0; first < rows; first += ROWS) {
    const count = Math.min(ROWS, rows - first);
    if (width === columns) given.set(weight.subarray(first * columns, (first + count) * columns));
    else {
      given.fill(0);
      for (let row = 0; row < count; row++) {
        const from = (first + row) * columns;
        given.set(weight.subarray(from, from + columns), row * width);
      }
    }
    run(weightsAt, ROWS, width, valuesAt, 0, inversesAt);
    scales.set(new Float32Array(memory.buffer, 0, count), first);
    for (let column = 0; column < columns; column++) {
      values.set(found.subarray(column * ROWS, column * ROWS + count), column * rows + first);
    }
  }
  return { values, scales };
}
