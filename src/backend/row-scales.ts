/**
 * The scales of weights with 8 or 4 bits, one for each row of a matrix: w ≈ s·q with whole q in ±limit. The rule is defined here
 * only, for quantising a model and for quantisation-aware training. The search is WebAssembly SIMD
 * (kernels/row-scales.ts): it reads each weight thirteen times, and training needs it at every step.
 */
import { compiledKernel } from './compiled-kernel.ts';

/**
 * The largest weight need not be the largest that the form can hold: cutting off a row's outliers makes every other
 * step finer. Tried for each row, to find the least squared error.
 */
const CLIP_RATIOS = [1, 0.98, 0.96, 0.94, 0.92, 0.9, 0.88, 0.86, 0.84, 0.82, 0.8, 0.75, 0.7];

/** Bytes of weights copied to the kernel's memory at a time, at least one row. */
const CHUNK_BYTES = 1 << 20;
const PAGE = 65_536;

interface Kernel {
  rowScales(
    weights: number,
    rows: number,
    columns: number,
    ratios: number,
    ratioCount: number,
    limit: number,
    scales: number,
  ): void;
}

let kernel: { readonly memory: WebAssembly.Memory; readonly run: Kernel['rowScales'] } | undefined;

function loaded() {
  if (!kernel) {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { exports } = new WebAssembly.Instance(compiledKernel('row-scales'), { env: { memory } });
    kernel = { memory, run: (exports as unknown as Kernel).rowScales };
  }
  return kernel;
}

/**
 * @param weights [rows, any number of columns]; with a scale for each group of a row, each group is a row here
 * @param limit the largest q
 * @returns [rows], each a number that float16 has, above 0; infinite where float16 has none so large
 */
export function rowScales(weights: Float32Array, rows: number, limit: number): Float32Array {
  const { memory, run } = loaded();
  const columns = weights.length / rows;
  const stride = Math.ceil(columns / 4) * 4;
  const perChunk = Math.min(rows, Math.max(1, Math.floor(CHUNK_BYTES / (4 * stride))));
  // The ratios, then the scales of a chunk, then its weights.
  const scalesAt = 64;
  const weightsAt = scalesAt + Math.ceil(perChunk / 4) * 16;
  const pages = Math.ceil((weightsAt + 4 * stride * perChunk) / PAGE);
  const missing = pages - memory.buffer.byteLength / PAGE;
  if (missing > 0) memory.grow(missing);
  const ratios = new Float32Array(memory.buffer, 0, CLIP_RATIOS.length);
  ratios.set(CLIP_RATIOS);
  const place = new Float32Array(memory.buffer, weightsAt, stride * perChunk);
  const found = new Float32Array(memory.buffer, scalesAt, perChunk);
  place.fill(0);
  const scales = new Float32Array(rows);
  for (let first = 0; first < rows; first += perChunk) {
    const count = Math.min(perChunk, rows - first);
    for (let row = 0; row < count; row++) {
      place.set(weights.subarray((first + row) * columns, (first + row + 1) * columns), row * stride);
    }
    run(weightsAt, count, stride, 0, CLIP_RATIOS.length, limit, scalesAt);
    scales.set(found.subarray(0, count), first);
  }
  return scales.map((scale) => (scale > 65_504 ? Number.POSITIVE_INFINITY : scale));
}
