/**
 * A graph in float16, for graphics cards, which multiply it several times as fast and read half the bytes. Mixed precision by the
 * rules of PyTorch's autocast (Micikevicius et al. 2018): products in float16; norms, softmaxes and logarithms in float32; other
 * operators in the wider type of what they are given. For inference only.
 */
import { float32ToFloat16 } from '../half-precision.ts';
import { type DType, Graph, type Node, type Tensor } from './graph.ts';
import { cast } from './ops.ts';
import { HALF_SUFFIX } from './product-form.ts';

const PRODUCTS = new Set(['MatMul', 'Gemm', 'Conv', 'com.microsoft.MultiHeadAttention']);
const IN_FLOAT32 = new Set(['LayerNormalization', 'Softmax', 'LogSoftmax', 'ReduceLogSumExp']);
/** Operators that only pick or arrange values. */
const ARRANGING = new Set(['Gather', 'Reshape', 'Transpose']);

export interface Float16Options {
  /** Which inputs and outputs are float16. The others keep their types. */
  readonly isHalf: (name: string) => boolean;
  /** Weights whose products stay in float32. */
  readonly exact?: readonly string[];
}

/** The same function as `source`, to about 1e-3 of its values. */
export function inFloat16(source: Graph, { isHalf, exact = [] }: Float16Options): Graph {
  const graph = new Graph();
  const copies = new Map<Tensor, Tensor>();
  const casts = new Map<Tensor, Tensor>();
  /** Weights and constants, whose type is that of the operators that read them. */
  const free = new Set<Tensor>(source.parameters.values());
  const kept = new Set<Tensor>([...source.parameters.values()].filter(({ name }) => exact.includes(name)));

  for (const [name, { shape, dtype }] of source.inputs)
    copies.set(source.inputs.get(name)!, graph.input(name, shape, isHalf(name) ? 'float16' : dtype));
  for (const { tensor, data } of source.constants.values()) {
    if (tensor.dtype === 'float32') free.add(tensor);
    else copies.set(tensor, graph.constant(data, tensor.shape as number[]));
  }

  const inType = (tensor: Tensor, dtype: 'float16' | 'float32'): Tensor => {
    const shape = tensor.shape as readonly number[];
    const constant = source.constants.get(tensor.name);
    if (constant) {
      const data = constant.data as Float32Array;
      return graph.constant(dtype === 'float16' ? float32ToFloat16(data) : data, shape);
    }
    if (free.has(tensor)) {
      const name = dtype === 'float16' ? tensor.name + HALF_SUFFIX : tensor.name;
      return graph.parameter(name, shape, dtype);
    }
    const copy = copies.get(tensor)!;
    if (copy.dtype === dtype) return copy;
    if (!casts.has(copy)) casts.set(copy, cast(copy, dtype));
    return casts.get(copy)!;
  };
  const given = (tensor: Tensor, dtype: 'float16' | 'float32'): Tensor =>
    tensor.dtype === 'float32'
      ? inType(tensor, dtype)
      : (copies.get(tensor) ?? graph.parameter(tensor.name, tensor.shape as number[], tensor.dtype));

  const typeOf = ({ op, inputs }: Node): 'float16' | 'float32' => {
    if (IN_FLOAT32.has(op)) return 'float32';
    if (PRODUCTS.has(op)) return inputs.some((input) => input && kept.has(input)) ? 'float32' : 'float16';
    const computed = inputs.filter((input) => input?.dtype === 'float32' && !free.has(input));
    const isWide = computed.some((input) => copies.get(input!)!.dtype === 'float32');
    return computed.length === 0 || isWide ? 'float32' : 'float16';
  };

  for (const node of source.nodes) {
    const { op, inputs, outputs, attributes } = node;
    const dtype = typeOf(node);
    const results = graph.emit(
      op,
      inputs.map((input) => input && given(input, dtype)),
      outputs.map(({ shape, dtype: own }) => ({ shape, dtype: ofOutput(op, own, dtype) })),
      attributes,
    );
    outputs.forEach((output, i) => copies.set(output, results[i]!));
    if (ARRANGING.has(op) && kept.has(inputs[0]!)) kept.add(outputs[0]!);
  }
  for (const [name, tensor] of source.outputs)
    graph.output(
      name,
      tensor.dtype === 'float32' ? inType(tensor, isHalf(name) ? 'float16' : 'float32') : copies.get(tensor)!,
    );
  return graph;
}

/** A Cast says itself what it gives. */
const ofOutput = (op: string, own: DType, computed: DType): DType =>
  own === 'float32' && op !== 'Cast' ? computed : own;
