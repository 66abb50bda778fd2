/**
 * Linear layers with weights of 8 or 4 bits, as onnxruntime computes them on a processor: for inference only.
 * The weights are w ≈ s·q with whole q (stored-form.ts); the inputs are rounded to whole numbers, too, as they come.
 */
import { formatShape, type Graph, GraphError, product, sameShape, type Tensor } from './graph.ts';
import { add, concat, mul, neg, reshape, sub, sum } from './ops.ts';
import type { Bits } from './stored-form.ts';

/** Keeps the scale of a row of zeros above 0. */
const SMALLEST_SCALE = 1e-30;

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
  /** uint8 [terms · rows, in], limit + 1 added. */
  readonly values: Tensor;
  /** [terms · rows, 1] */
  readonly scales: Tensor;
}

/** Rounded inputs, shared by all products of a tensor. */
const roundedInputs = new WeakMap<Tensor, Rows>();

/**
 * Each row of x [..., in] as whole numbers in ±limit and a scale: its largest size / limit. Ties are rounded to even. With two
 * terms the rows of what is left follow, with scales 2·limit times as fine.
 */
function roundedRows(x: Tensor, { bits, terms }: InputRounding): Rows {
  const known = roundedInputs.get(x);
  if (known) return known;
  const { graph } = x;
  const limit = limitOf(bits);
  const rows = product(x.shape.slice(0, -1));
  const shape = [rows, x.shape.at(-1)!];
  const column = [{ shape: [rows, 1] }];
  const flat = reshape(x, shape);
  const gradient = noGradient('QuantizeLinear');
  const end = (op: 'ReduceMax' | 'ReduceMin'): Tensor =>
    graph.emit(op, [flat, graph.integers([1])], column, { keepdims: { int: 1 } }, gradient)[0]!;
  const largest = graph.emit('Max', [end('ReduceMax'), neg(end('ReduceMin'))], column)[0]!;
  const exact = mul(largest, graph.scalar(1 / limit));
  const scales = graph.emit('Max', [exact, graph.scalar(SMALLEST_SCALE)], column)[0]!;
  const zeros = graph.emit(
    'Expand',
    [bytes(graph, [limit + 1]), graph.size(rows)],
    [{ shape: [rows], dtype: 'uint8' }],
  )[0]!;
  const perRow = { axis: { int: 0 } };
  const rounded = (of: Tensor, by: Tensor): Tensor =>
    graph.emit(
      'QuantizeLinear',
      [of, reshape(by, [rows]), zeros],
      [{ shape, dtype: 'uint8' }],
      perRow,
      gradient,
    )[0]!;
  const values = rounded(flat, scales);
  let found: Rows = { values, scales };
  if (terms === 2) {
    const back = graph.emit(
      'DequantizeLinear',
      [values, reshape(scales, [rows]), zeros],
      [{ shape, dtype: 'float32' }],
      perRow,
    )[0]!;
    const finer = mul(scales, graph.scalar(1 / (2 * limit)));
    const rest = rounded(sub(flat, back), finer);
    found = { values: concat([values, rest], 0), scales: concat([scales, finer], 0) };
  }
  roundedInputs.set(x, found);
  return found;
}

const limitOf = (bits: 8 | 7): number => (bits === 8 ? 127 : 63);

/**
 * A linear layer in whole numbers of 8 bits, with a scale for each input row and each output (as CTranslate2 has it):
 * y[i, o] = a[i]·s[o]·Σ p[i, k]·q[k, o] + b[o]. The sum is exact, with inputs of 8 bits where the processor has instructions for
 * products of bytes, with 7 everywhere: onnxruntime else adds pairs of them in 16 bits.
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
  const { terms } = rounding;
  const count = product(x.shape.slice(0, -1));
  const rows = roundedRows(x, rounding);
  const whole = graph.emit(
    'com.microsoft.MatMulIntegerToFloat',
    [rows.values, weight, graph.scalar(1), scales, bytes(graph, [limitOf(rounding.bits) + 1], [])],
    [{ shape: [rows.scales.shape[0]!, out!], dtype: 'float32' }],
    {},
    noGradient('MatMulIntegerToFloat'),
  )[0]!;
  const scaled = mul(whole, rows.scales);
  const total = terms === 1 ? scaled : sum(reshape(scaled, [terms, count, out!]), [0]);
  const y = reshape(total, [count, out!]);
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
