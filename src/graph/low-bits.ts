/**
 * Linear layers with weights of 8 or 4 bits, as onnxruntime computes them on a processor: for inference only.
 * The weights are w ≈ s·q with whole q (stored-form.ts); the inputs are rounded to whole numbers, too, as they come.
 */
import { formatShape, type Graph, GraphError, product, sameShape, type Tensor } from './graph.ts';
import { add, concat, div, matmul, max, mul, reshape, sub } from './ops.ts';
import type { Bits } from './stored-form.ts';

/** In place of the largest size in a row of zeros. */
const SMALLEST_SIZE = 1e-30;

/** Refuses to differentiate: whole numbers have no gradient, and to skip it silently would train wrong. */
function noGradient(op: string) {
  return (): never => {
    throw new GraphError(`${op}: products of whole numbers cannot be trained; use float32 weights`);
  };
}

/** How the inputs of products are rounded. */
export interface InputRounding {
  /** Bits of a whole number: 8, or 7, with which sums are exact on every processor. */
  readonly bits: 8 | 7;
  /** Numbers for each input. A second one holds what is left of the first: as exact as float32 is in practice. */
  readonly terms: 1 | 2;
}

interface Rows {
  /** uint8 [rows · terms, in], limit + 1 added: the terms of a row are side by side. */
  readonly values: Tensor;
  /** What the product of each term counts in its row: [rows, 1], or of two [rows, 1, 2]. */
  readonly shares: Tensor;
}

/** Rounded inputs, shared by all products of a tensor. */
const roundedInputs = new WeakMap<Tensor, Rows>();

/**
 * Each row of x [..., in], divided by its largest size, as whole numbers in ±limit. Ties are rounded to even. A second term is
 * what is left, in steps 2·limit times as fine.
 */
function roundedRows(x: Tensor, { bits, terms }: InputRounding): Rows {
  const known = roundedInputs.get(x);
  if (known) return known;
  const { graph } = x;
  const limit = limitOf(bits);
  const rows = product(x.shape.slice(0, -1));
  const inner = x.shape.at(-1)!;
  const shape = [rows, inner];
  const flat = reshape(x, shape);
  const gradient = noGradient('QuantizeLinear');
  const sizes = graph.emit('Abs', [flat], [{ shape }], {}, gradient)[0]!;
  const column = [{ shape: [rows, 1] }];
  const largest = graph.emit('Max', [max(sizes, 1), graph.scalar(SMALLEST_SIZE)], column)[0]!;
  const share = div(flat, largest);
  const zero = bytes(graph, [limit + 1], []);
  const rounded = (of: Tensor, steps: number): Tensor =>
    graph.emit(
      'QuantizeLinear',
      [of, graph.scalar(1 / steps), zero],
      [{ shape, dtype: 'uint8' }],
      {},
      gradient,
    )[0]!;
  const values = rounded(share, limit);
  let found: Rows = { values, shares: largest };
  if (terms === 2) {
    const back = graph.emit(
      'DequantizeLinear',
      [values, graph.scalar(1 / limit), zero],
      [{ shape, dtype: 'float32' }],
    )[0]!;
    const finer = 2 * limit;
    const rest = rounded(sub(share, back), limit * finer);
    const counts = graph.constant(Float32Array.of(1, 1 / finer), [1, 2]);
    found = {
      values: reshape(concat([values, rest], 1), [product([rows, 2]), inner]),
      shares: reshape(mul(largest, counts), [rows, 1, 2]),
    };
  }
  roundedInputs.set(x, found);
  return found;
}

const limitOf = (bits: 8 | 7): number => (bits === 8 ? 127 : 63);

/**
 * A linear layer in whole numbers of 8 bits, with a scale for each input row and each output (as CTranslate2 has it):
 * y[i, o] = a[i]/limit·s[o]·Σ p[i, k]·q[k, o] + b[o], a[i] the largest size of x[i, :]. The sum is exact, with inputs of 8 bits
 * where the processor has instructions for products of bytes, with 7 everywhere: onnxruntime else adds pairs of them in 16 bits.
 * @param x [..., in]
 * @param weight q, int8 [in, out]
 * @param scales s, [out]
 * @param bias [out]
 */
export function linearOfRows(
  x: Tensor,
  weight: Tensor,
  scales: Tensor,
  bias: Tensor | undefined,
  rounding: InputRounding,
): Tensor {
  const [inner, out] = weight.shape;
  check(x, inner, out, bias);
  const { graph } = x;
  const { bits, terms } = rounding;
  const limit = limitOf(bits);
  const rows = product(x.shape.slice(0, -1));
  const { values, shares } = roundedRows(x, rounding);
  const whole = graph.emit(
    'com.microsoft.MatMulIntegerToFloat',
    [values, weight, graph.scalar(1 / limit), scales, bytes(graph, [limit + 1], [])],
    [{ shape: [values.shape[0]!, out!], dtype: 'float32' }],
    {},
    noGradient('MatMulIntegerToFloat'),
  )[0]!;
  const y = terms === 1 ? mul(whole, shares) : matmul(shares, reshape(whole, [rows, 2, out!]));
  return reshape(bias ? add(y, bias) : y, [...x.shape.slice(0, -1), out!]);
}

/**
 * A linear layer with weights of 8 or 4 bits in blocks of a row, each with a scale (onnxruntime's MatMulNBits). Blocks of
 * the input are rounded to 8 bits as they come, each with its own scale.
 * @param x [..., in]
 * @param weight uint8 [out, blocks, bytes of a block]: q with half of its range added
 * @param scales [out · blocks]
 * @param bias [out]
 */
export function linearOfBlocks(
  x: Tensor,
  weight: Tensor,
  scales: Tensor,
  bias: Tensor | undefined,
  bits: Bits,
): Tensor {
  const [out, blocks, perBlock] = weight.shape as readonly number[];
  const block = (perBlock! * 8) / bits;
  const inner = blocks! * block;
  check(x, inner, out, bias);
  const { graph } = x;
  const shape = [...x.shape.slice(0, -1), out!];
  return graph.emit(
    'com.microsoft.MatMulNBits',
    [x, weight, scales, undefined, undefined, bias],
    [{ shape, dtype: 'float32' }],
    {
      K: { int: inner },
      N: { int: out! },
      bits: { int: bits },
      block_size: { int: block },
      accuracy_level: { int: 4 },
    },
    noGradient('MatMulNBits'),
  )[0]!;
}

function check(
  x: Tensor,
  inner: number | string | undefined,
  out: number | string | undefined,
  bias?: Tensor,
): void {
  if (x.shape.at(-1) !== inner || (bias && !sameShape(bias.shape, [out!]))) {
    throw new GraphError(
      `Linear: input ${formatShape(x.shape)}${bias ? ` and bias ${formatShape(bias.shape)}` : ''} do not fit a weight from ${inner} to ${out} values`,
    );
  }
}

function bytes(graph: Graph, values: readonly number[], shape: readonly number[] = [values.length]): Tensor {
  return graph.constant(Uint8Array.from(values), shape);
}
