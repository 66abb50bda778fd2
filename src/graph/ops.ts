/**
 * The operators, each with its shape rule and its gradient side by side. Gradients are built from the same
 * operators, so a runtime of the forward pass also runs the backward pass: standard ONNX, opset 20.
 */
import {
  type Dim,
  type DType,
  formatShape,
  type Graph,
  GraphError,
  type Node,
  product,
  type Shape,
  sameShape,
  sumOfSizes,
  type Tensor,
} from './graph.ts';

// ---------------------------------------------------------------- element by element

function broadcast(op: string, a: Tensor, b: Tensor): Shape {
  const rank = Math.max(a.rank, b.rank);
  return Array.from({ length: rank }, (_, i) => {
    const x = a.shape[i - rank + a.rank] ?? 1;
    const y = b.shape[i - rank + b.rank] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new GraphError(
        `${op}: shapes ${formatShape(a.shape)} and ${formatShape(b.shape)} do not broadcast`,
      );
    }
    return x === 1 ? y : x;
  });
}

/** Sums a gradient over the axes along which `target` was broadcast. */
function unbroadcast(gradient: Tensor, target: Tensor): Tensor {
  if (sameShape(gradient.shape, target.shape)) return gradient;
  const lead = gradient.rank - target.rank;
  const axes = gradient.shape.flatMap((dim, i) =>
    i < lead || (target.shape[i - lead] === 1 && dim !== 1) ? [i] : [],
  );
  return reshape(sum(gradient, axes), target.shape);
}

type Pair = (gradient: Tensor, y: Tensor) => readonly [Tensor, Tensor];

function binary(op: string, a: Tensor, b: Tensor, pair: Pair): Tensor {
  if (a.dtype !== b.dtype) throw new GraphError(`${op}: ${a} and ${b} differ in type`);
  const [y] = a.graph.emit(op, [a, b], [{ shape: broadcast(op, a, b) }], {}, ([g]) => {
    const [ga, gb] = pair(g!, y!);
    return [unbroadcast(ga, a), unbroadcast(gb, b)];
  });
  return y!;
}

export const add = (a: Tensor, b: Tensor): Tensor => binary('Add', a, b, (g) => [g, g]);
export const sub = (a: Tensor, b: Tensor): Tensor => binary('Sub', a, b, (g) => [g, neg(g)]);
export const mul = (a: Tensor, b: Tensor): Tensor => binary('Mul', a, b, (g) => [mul(g, b), mul(g, a)]);
export const div = (a: Tensor, b: Tensor): Tensor =>
  binary('Div', a, b, (g, y) => [div(g, b), neg(div(mul(g, y), b))]);

export const scale = (x: Tensor, factor: number): Tensor => mul(x, x.graph.scalar(factor));
const plus = (x: Tensor, term: number): Tensor => add(x, x.graph.scalar(term));

function unary(op: string, x: Tensor, derivative: (gradient: Tensor, y: Tensor) => Tensor): Tensor {
  const [y] = x.graph.emit(op, [x], [{ shape: x.shape }], {}, ([g]) => [derivative(g!, y!)]);
  return y!;
}

export const neg = (x: Tensor): Tensor => unary('Neg', x, (g) => neg(g));
export const exp = (x: Tensor): Tensor => unary('Exp', x, (g, y) => mul(g, y));
export const log = (x: Tensor): Tensor => unary('Log', x, (g) => div(g, x));
export const sqrt = (x: Tensor): Tensor => unary('Sqrt', x, (g, y) => div(scale(g, 0.5), y));
export const tanh = (x: Tensor): Tensor =>
  unary('Tanh', x, (g, y) => mul(g, sub(x.graph.scalar(1), mul(y, y))));
export const sigmoid = (x: Tensor): Tensor =>
  unary('Sigmoid', x, (g, y) => mul(g, mul(y, sub(x.graph.scalar(1), y))));
export const erf = (x: Tensor): Tensor =>
  unary('Erf', x, (g) => mul(g, scale(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))));
export const abs = (x: Tensor): Tensor =>
  unary('Abs', x, (g) => mul(g, x.graph.emit('Sign', [x], [{ shape: x.shape }])[0]!));
export const relu = (x: Tensor): Tensor =>
  unary('Relu', x, (g, y) => mul(g, x.graph.emit('Sign', [y], [{ shape: x.shape }])[0]!));

/** max(x, floor): keeps a logarithm finite. No gradient flows where the floor holds. */
export function clampMin(x: Tensor, floor: number): Tensor {
  const limit = x.graph.scalar(floor);
  const [y] = x.graph.emit('Max', [x, limit], [{ shape: x.shape }], {}, ([g]) => {
    const above = x.graph.emit('Greater', [x, limit], [{ shape: x.shape, dtype: 'bool' }])[0]!;
    return [mul(g!, cast(above, 'float32')), undefined];
  });
  return y!;
}

/** The exact (erf) GELU: x·Φ(x); its derivative is Φ(x) + x·φ(x). */
export function gelu(x: Tensor): Tensor {
  return unary('Gelu', x, (g) => {
    const cumulative = scale(plus(erf(scale(x, Math.SQRT1_2)), 1), 0.5);
    const density = scale(exp(scale(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return mul(g, add(cumulative, mul(x, density)));
  });
}

const onnxType: Record<DType, number> = {
  ...{ float32: 1, float16: 10 },
  ...{ uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9 },
};

/** Cast to another type. No gradient. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.graph.emit('Cast', [x], [{ shape: x.shape, dtype }], { to: { int: onnxType[dtype] } })[0]!;
}

/** Identity without gradient. */
export function stopGradient(x: Tensor): Tensor {
  return x.graph.emit('Identity', [x], [{ shape: x.shape }])[0]!;
}

// ---------------------------------------------------------------- rounding that is trained through

/** The nearest float16. The gradient passes as if nothing had been rounded (straight through: Bengio et al. 2013). */
export function roundedToFloat16(x: Tensor): Tensor {
  const half = cast(x, 'float16');
  const attributes = { to: { int: onnxType.float32 } };
  return x.graph.emit('Cast', [half], [{ shape: x.shape, dtype: 'float32' }], attributes, ([g]) => [g!], [
    x,
  ])[0]!;
}

/**
 * s·q, where q is x/s rounded (ties to even) and cut off at ±limit: x after a round trip through whole numbers. The
 * gradient passes straight through (Bengio et al. 2013), but not to values that were cut off: PyTorch's
 * `fake_quantize_per_channel_affine`.
 * @param scale s, which broadcasts to x; no gradient flows to it
 * @param limit odd, as 2^bits / 2 − 1 is
 */
export function fakeQuantize(x: Tensor, scale: Tensor, limit: number): Tensor {
  const { graph } = x;
  const same = [{ shape: x.shape }];
  const inverse = graph.emit('Reciprocal', [scale], [{ shape: scale.shape }])[0]!;
  const rounded = graph.emit('Round', [mul(x, inverse)], same)[0]!;
  const cut = graph.emit('Clip', [rounded, graph.scalar(-limit), graph.scalar(limit)], same)[0]!;
  return graph.emit(
    'Mul',
    [cut, scale],
    same,
    {},
    ([g]) => {
      // Recomputed, so that the rounded values need not be kept. A tie above an odd limit is rounded up, away.
      const size = graph.emit('Abs', [mul(x, inverse)], same)[0]!;
      const bound = graph.scalar(limit + 0.5);
      const kept = graph.emit('Less', [size, bound], [{ shape: x.shape, dtype: 'bool' }])[0]!;
      return [mul(g!, cast(kept, 'float32'))];
    },
    [x],
  )[0]!;
}

// ---------------------------------------------------------------- shape

/**
 * The same values in another shape. At most one size of the result may be one that no tensor of the graph has
 * by that name (it is what remains); two shapes of known sizes must hold equally many values.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const before = product(x.shape);
  const after = product(shape);
  if (typeof before === 'number' && typeof after === 'number' && before !== after) {
    throw new GraphError(
      `Reshape: ${formatShape(x.shape)} has ${before} values, ${formatShape(shape)} has ${after}`,
    );
  }
  const [y] = x.graph.emit('Reshape', [x, shapeTensor(x, shape)], [{ shape }], {}, ([g]) => [
    reshape(g!, x.shape),
    undefined,
  ]);
  return y!;
}

function shapeTensor(x: Tensor, shape: Shape): Tensor {
  const names = shape.filter((dim) => typeof dim === 'string');
  // With one named size, ONNX works it out itself (-1).
  if (names.length <= 1 && !(names.length === 1 && shape.includes(0))) {
    return x.graph.integers(shape.map((dim) => (typeof dim === 'string' ? -1 : dim)));
  }
  // A size that stands at the same place in x is copied (0); one other is inferred (-1).
  const rest = shape.filter((dim, i) => typeof dim === 'string' && x.shape[i] !== dim);
  if (rest.length <= 1) {
    return x.graph.integers(
      shape.map((dim, i) => (typeof dim === 'number' ? dim : x.shape[i] === dim ? 0 : -1)),
    );
  }
  const unknown = shape.filter((dim) => !x.graph.hasSize(dim));
  if (unknown.length > 1)
    throw new GraphError(
      `Reshape: ${formatShape(x.shape)} to ${formatShape(shape)}: cannot infer ${unknown}`,
    );
  return joinedSizes(
    x.graph,
    shape.map((dim) => (x.graph.hasSize(dim) ? dim : -1)),
  );
}

/** Shapes that are made at run time, each once in a graph. */
const joined = new WeakMap<Graph, Map<string, Tensor>>();

/** The run-time values of sizes, int64 [sizes]. */
function joinedSizes(graph: Graph, sizes: Shape): Tensor {
  const known = joined.get(graph) ?? new Map<string, Tensor>();
  joined.set(graph, known);
  const name = sizes.join();
  const found =
    known.get(name) ??
    concat(
      sizes.map((size) => graph.size(size)),
      0,
    );
  known.set(name, found);
  return found;
}

/** `x` with its sizes renamed, where the builder cannot know that they agree. The runtime does not check it. */
export function withDims(x: Tensor, shape: Shape): Tensor {
  if (shape.length !== x.rank)
    throw new GraphError(`cannot see ${formatShape(x.shape)} as ${formatShape(shape)}`);
  return x.graph.emit('Identity', [x], [{ shape }], {}, ([g]) => [withDims(g!, x.shape)])[0]!;
}

/** Existing transposes, by tensor and permutation. */
const transposes = new WeakMap<Tensor, Map<string, Tensor>>();

/** Transpose, shared between equal calls; a transpose of a transpose becomes one, or none. */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  if (
    permutation.length !== x.rank ||
    new Set(permutation).size !== x.rank ||
    permutation.some((p) => p < 0 || p >= x.rank)
  ) {
    throw new GraphError(
      `Transpose: [${permutation}] is no permutation of the axes of ${formatShape(x.shape)}`,
    );
  }
  if (permutation.every((axis, i) => axis === i)) return x;
  if (x.producer?.op === 'Transpose') {
    const before = x.producer.attributes.perm as readonly number[];
    return transpose(
      x.producer.inputs[0]!,
      permutation.map((axis) => before[axis]!),
    );
  }
  const existing = transposes.get(x) ?? new Map<string, Tensor>();
  transposes.set(x, existing);
  const known = existing.get(permutation.join());
  if (known) return known;
  const inverse = permutation.map((_, i) => permutation.indexOf(i));
  const shape = permutation.map((axis) => x.shape[axis]!);
  const [y] = x.graph.emit('Transpose', [x], [{ shape }], { perm: permutation }, ([g]) => [
    transpose(g!, inverse),
  ]);
  existing.set(permutation.join(), y!);
  return y!;
}

export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const first = parts[0];
  if (!first) throw new GraphError('Concat: nothing to join');
  const place = positiveAxis('Concat', first, axis);
  for (const part of parts) {
    if (part.rank !== first.rank || part.shape.some((dim, i) => i !== place && dim !== first.shape[i])) {
      throw new GraphError(
        `Concat along axis ${place}: ${formatShape(first.shape)} and ${formatShape(part.shape)} differ elsewhere`,
      );
    }
  }
  if (parts.length === 1) return first;
  const lengths = parts.map((part) => part.shape[place]!);
  const shape = first.shape.map((dim, i) => (i === place ? sumOfSizes(lengths) : dim));
  return first.graph.emit('Concat', parts, [{ shape }], { axis: { int: place } }, ([g]) =>
    split(g!, place, lengths),
  )[0]!;
}

/** `x` cut along an axis into pieces of the given lengths. */
export function split(x: Tensor, axis: number, lengths: readonly Dim[]): readonly Tensor[] {
  const place = positiveAxis('Split', x, axis);
  if (sumOfSizes(lengths) !== x.shape[place]) {
    throw new GraphError(
      `Split: pieces of ${lengths.join(' + ')} do not make axis ${place} of ${formatShape(x.shape)}`,
    );
  }
  const sizes = lengths.every((n) => typeof n === 'number')
    ? x.graph.integers(lengths)
    : concat(
        lengths.map((n) => x.graph.size(n)),
        0,
      );
  const outputs = lengths.map((length) => ({ shape: x.shape.map((dim, i) => (i === place ? length : dim)) }));
  const pieces = x.graph.emit('Split', [x, sizes], outputs, { axis: { int: place } }, (gradients) => [
    concat(
      gradients.map((g, i) => g ?? zerosLike(pieces[i]!)),
      place,
    ),
    undefined,
  ]);
  return pieces;
}

export function zerosLike(x: Tensor): Tensor {
  const sizes = x.rank === 0 ? x.graph.integers([]) : shapeOf(x);
  return x.graph.emit('ConstantOfShape', [sizes], [{ shape: x.shape, dtype: 'float32' }])[0]!;
}

/** The axis of a node along which tensors are joined or split. */
export function axisOf({ attributes: { axis } }: Node): number | undefined {
  return typeof axis === 'object' && 'int' in axis ? axis.int : undefined;
}

function shapeOf(x: Tensor): Tensor {
  return x.shape.every((dim) => typeof dim === 'number')
    ? x.graph.integers(x.shape)
    : x.graph.emit('Shape', [x], [{ shape: [x.rank], dtype: 'int64' }])[0]!;
}

/** `x` repeated to a larger shape, by the broadcasting rules. */
export function expand(x: Tensor, like: Tensor): Tensor {
  if (sameShape(x.shape, like.shape)) return x;
  if (!sameShape(broadcast('Expand', x, like), like.shape)) {
    throw new GraphError(`Expand: ${formatShape(x.shape)} does not stretch to ${formatShape(like.shape)}`);
  }
  return x.graph.emit('Expand', [x, shapeOf(like)], [{ shape: like.shape }], {}, ([g]) => [
    unbroadcast(g!, x),
    undefined,
  ])[0]!;
}

// ---------------------------------------------------------------- reductions

/** Sum over axes, which stay with size 1. */
export function sum(x: Tensor, axes: readonly number[]): Tensor {
  const shape = reduced('ReduceSum', x, axes);
  const [y] = x.graph.emit(
    'ReduceSum',
    [x, x.graph.integers(axes)],
    [{ shape }],
    { keepdims: { int: 1 } },
    ([g]) => [expand(g!, x), undefined],
  );
  return y!;
}

/** Mean over axes, which stay with size 1. */
export function mean(x: Tensor, axes: readonly number[]): Tensor {
  const shape = reduced('ReduceMean', x, axes);
  const [y] = x.graph.emit(
    'ReduceMean',
    [x, x.graph.integers(axes)],
    [{ shape }],
    { keepdims: { int: 1 } },
    ([g]) => {
      const count = product(axes.map((axis) => x.shape[axis]!));
      const spread = typeof count === 'number' ? scale(g!, 1 / count) : div(g!, runtimeCount(x, axes));
      return [expand(spread, x), undefined];
    },
  );
  return y!;
}

function runtimeCount(x: Tensor, axes: readonly number[]): Tensor {
  const sizes = axes.map((axis) => cast(x.graph.size(x.shape[axis]!), 'float32'));
  return reshape(
    sizes.reduce((a, b) => mul(a, b)),
    [],
  );
}

/** Largest value along one axis, which stays with size 1. For inference only: no gradient. */
export function max(x: Tensor, axis: number): Tensor {
  const place = positiveAxis('ReduceMax', x, axis);
  return x.graph.emit(
    'ReduceMax',
    [x, x.graph.integers([place])],
    [{ shape: reduced('ReduceMax', x, [place]) }],
    {
      keepdims: { int: 1 },
    },
  )[0]!;
}

/**
 * The largest values along the last axis, in falling order, and their indices. For inference only: no gradient.
 * @param count int64 [1], how many
 * @param dim the name of that size
 */
export function topK(x: Tensor, count: Tensor, dim: string): { values: Tensor; indices: Tensor } {
  const shape = [...x.shape.slice(0, -1), dim];
  const [values, indices] = x.graph.emit('TopK', [x, count], [{ shape }, { shape, dtype: 'int64' }], {
    axis: { int: -1 },
  });
  return { values: values!, indices: indices! };
}

/** Index of the smallest value of each row, the first of equals: x [..., n] → int64 [...]. For inference only: no gradient. */
export function argMin(x: Tensor): Tensor {
  const shape = x.shape.slice(0, -1);
  return x.graph.emit('ArgMin', [x], [{ shape, dtype: 'int64' }], {
    axis: { int: -1 },
    keepdims: { int: 0 },
  })[0]!;
}

/** 1 where a > b, else 0. For inference only: no gradient. */
export function greater(a: Tensor, b: Tensor): Tensor {
  const shape = broadcast('Greater', a, b);
  return cast(a.graph.emit('Greater', [a, b], [{ shape, dtype: 'bool' }])[0]!, 'float32');
}

/** Whether a < b, bool. For inference only: no gradient. */
export function less(a: Tensor, b: Tensor): Tensor {
  return a.graph.emit('Less', [a, b], [{ shape: broadcast('Less', a, b), dtype: 'bool' }])[0]!;
}

/** The smaller of two values. For inference only: no gradient. */
export function smaller(a: Tensor, b: Tensor): Tensor {
  return a.graph.emit('Min', [a, b], [{ shape: broadcast('Min', a, b), dtype: a.dtype }])[0]!;
}

/** a where the condition (bool) holds, b elsewhere; a has the shape of the result. For inference only: no gradient. */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  return a.graph.emit('Where', [condition, a, b], [{ shape: a.shape, dtype: a.dtype }])[0]!;
}

/** 1 where x ≥ 0, else 0. For inference only: no gradient. */
export function isNonNegative(x: Tensor): Tensor {
  const zero = x.graph.scalar(0);
  const found = x.graph.emit('GreaterOrEqual', [x, zero], [{ shape: x.shape, dtype: 'bool' }])[0]!;
  return cast(found, 'float32');
}

/** Logarithm of the sum of exponentials along the last axis, which stays with size 1. For inference only: no gradient. */
export function logSumExp(x: Tensor): Tensor {
  const last = x.graph.integers([x.rank - 1]);
  return x.graph.emit(
    'ReduceLogSumExp',
    [x, last],
    [{ shape: reduced('ReduceLogSumExp', x, [x.rank - 1]) }],
    {
      keepdims: { int: 1 },
    },
  )[0]!;
}

function reduced(op: string, x: Tensor, axes: readonly number[]): Shape {
  for (const axis of axes) {
    if (axis < 0 || axis >= x.rank)
      throw new GraphError(`${op}: ${formatShape(x.shape)} has no axis ${axis}`);
  }
  return x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
}

function positiveAxis(op: string, x: Tensor, axis: number): number {
  const place = axis < 0 ? axis + x.rank : axis;
  if (place < 0 || place >= x.rank)
    throw new GraphError(`${op}: ${formatShape(x.shape)} has no axis ${axis}`);
  return place;
}

// ---------------------------------------------------------------- products

/** Matrix product over the last two axes; the axes before them broadcast. */
export function matmul(a: Tensor, b: Tensor): Tensor {
  if (a.rank < 2 || b.rank < 2 || a.shape.at(-1) !== b.shape.at(-2)) {
    throw new GraphError(
      `MatMul: ${formatShape(a.shape)} times ${formatShape(b.shape)} is not a matrix product`,
    );
  }
  const lead = broadcast('MatMul', leading(a), leading(b));
  const shape = [...lead, a.shape.at(-2)!, b.shape.at(-1)!];
  const [y] = a.graph.emit('MatMul', [a, b], [{ shape }], {}, ([g]) => [
    unbroadcast(matmul(g!, swapLast(b)), a),
    unbroadcast(matmul(swapLast(a), g!), b),
  ]);
  return y!;
}

/** A shape of the leading axes only, for the broadcasting rule. */
function leading(x: Tensor): Tensor {
  return { ...x, shape: x.shape.slice(0, -2), rank: x.rank - 2 } as Tensor;
}

function swapLast(x: Tensor): Tensor {
  const axes = x.shape.map((_, i) => i);
  return transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

/** General matrix product of two matrices: op(a)·op(b) + bias, where op may transpose. */
export function gemm(a: Tensor, b: Tensor, transA: boolean, transB: boolean, bias?: Tensor): Tensor {
  const [rows, innerA] = transA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!];
  const [innerB, columns] = transB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!];
  if (a.rank !== 2 || b.rank !== 2 || innerA !== innerB) {
    throw new GraphError(
      `Gemm: ${formatShape(a.shape)} and ${formatShape(b.shape)} do not fit (transA ${transA}, transB ${transB})`,
    );
  }
  return a.graph.emit('Gemm', bias ? [a, b, bias] : [a, b], [{ shape: [rows, columns] }], {
    transA: { int: Number(transA) },
    transB: { int: Number(transB) },
  })[0]!;
}

/**
 * Gradient of a linear layer's weight, gᵀ·x. onnxruntime's product with a transposed first matrix turns the same values round for
 * each of its strips of columns; turned round beforehand they are so once, which is a tenth faster.
 * @param g [rows, out], gradient of the output
 * @param x [rows, in]
 * @returns [out, in]
 */
export function weightGradient(g: Tensor, x: Tensor): Tensor {
  return gemm(transpose(g, [1, 0]), x, false, false);
}

/**
 * A linear layer: x·Wᵀ + b.
 * @param x [..., in]
 * @param weight [out, in], as PyTorch's Linear keeps it
 * @param bias [out]
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [out, inner] = weight.shape;
  if (weight.rank !== 2 || x.shape.at(-1) !== inner || (bias && !sameShape(bias.shape, [out!]))) {
    throw new GraphError(
      `Linear: input ${formatShape(x.shape)} does not fit weight ${formatShape(weight.shape)}${bias ? ` and bias ${formatShape(bias.shape)}` : ''}`,
    );
  }
  const flat = (t: Tensor): Tensor => reshape(t, [product(x.shape.slice(0, -1)), t.shape.at(-1)!]);
  const rows = flat(x);
  const [y] = x.graph.emit(
    'Gemm',
    bias ? [rows, weight, bias] : [rows, weight],
    [{ shape: [rows.shape[0]!, out!] }],
    { transB: { int: 1 } },
    ([g]) => [
      gemm(g!, weight, false, false),
      weightGradient(g!, rows),
      bias && reshape(sum(g!, [0]), bias.shape),
    ],
  );
  return reshape(y!, [...x.shape.slice(0, -1), out!]);
}

/**
 * One-dimensional convolution.
 * @param x [batch, channels, length]
 * @param weight [filters, channels, kernel]
 * @param bias [filters]
 * @param outputLength the name of the result's length, where x's length is itself a name
 */
export function conv1d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  { stride = 1, padding = 0, outputLength }: { stride?: number; padding?: number; outputLength?: Dim } = {},
): Tensor {
  const [batch, channels, length] = x.shape;
  const [filters, weightChannels, kernel] = weight.shape;
  if (
    x.rank !== 3 ||
    weight.rank !== 3 ||
    channels !== weightChannels ||
    !sameShape(bias.shape, [filters!])
  ) {
    throw new GraphError(
      `Conv: input ${formatShape(x.shape)} does not fit weight ${formatShape(weight.shape)} and bias ${formatShape(bias.shape)}`,
    );
  }
  const taps = kernel as number;
  const out =
    typeof length === 'number'
      ? Math.floor((length + 2 * padding - taps) / stride) + 1
      : (outputLength ??
        (stride === 1 && taps === 2 * padding + 1
          ? length!
          : `conv(${length},${taps},${stride},${padding})`));
  const attributes = { strides: [stride], pads: [padding, padding] };
  const [y] = x.graph.emit(
    'Conv',
    [x, weight, bias],
    [{ shape: [batch!, filters!, out] }],
    attributes,
    ([g]) => {
      // A length that the stride does not divide leaves frames that the last step never reached.
      const unread =
        typeof length === 'number'
          ? (length + 2 * padding - taps) % stride
          : (2 * padding - taps + 2 * stride) % stride;
      const dx = x.graph.emit('ConvTranspose', [g!, weight], [{ shape: x.shape }], {
        ...attributes,
        output_padding: [unread],
      })[0]!;
      // dW as one large product. As a convolution of x with g it would be many of few columns, several times as slow.
      const rows = reshape(transpose(g!, [0, 2, 1]), [product([batch!, out]), filters!]);
      const flat = weightGradient(rows, patches(x, taps, stride, padding, out));
      const dw = transpose(reshape(flat, [filters!, taps, channels!]), [0, 2, 1]);
      return [dx, dw, reshape(sum(g!, [0, 2]), bias.shape)];
    },
  );
  return y!;
}

/**
 * The input patches of a convolution (im2col). No gradient.
 * @param x [batch, channels, length]
 * @returns [batch · out, taps · channels]
 */
function patches(x: Tensor, taps: number, stride: number, padding: number, out: Dim): Tensor {
  const { graph } = x;
  const [batch, channels, length] = x.shape;
  const padded = sumOfSizes([length!, 2 * padding]);
  const around = graph.integers([0, padding, 0, 0, padding, 0]);
  const shape = [batch!, padded, channels!];
  const frames = graph.emit('Pad', [transpose(x, [0, 2, 1]), around], [{ shape }])[0]!;
  const seen = Array.from({ length: taps }, (_, tap) => {
    // Up to where the last step has this tap, counted from the end.
    const end = tap === taps - 1 ? Number.MAX_SAFE_INTEGER : tap + 1 - taps;
    const [starts, ends, axes, steps] = [[tap], [end], [1], [stride]].map((values) => graph.integers(values));
    return graph.emit(
      'Slice',
      [frames, starts!, ends!, axes!, steps!],
      [{ shape: [batch!, out, channels!] }],
    )[0]!;
  });
  return reshape(concat(seen, 2), [product([batch!, out]), taps * (channels as number)]);
}

// ---------------------------------------------------------------- look-ups

/** The whole numbers from 0 below the sum of some sizes, int64 [their sum]. */
export function range(graph: Graph, sizes: readonly Dim[]): Tensor {
  const scalar = (values: Tensor): Tensor => reshape(values, []);
  const limit = sizes.map((dim) => graph.size(dim)).reduce((a, b) => add(a, b));
  const [from, step] = [0, 1].map((value) => scalar(graph.integers([value])));
  return graph.emit(
    'Range',
    [from, scalar(limit), step],
    [{ shape: [sumOfSizes(sizes)], dtype: 'int64' }],
  )[0]!;
}

/**
 * Rows of a table.
 * @param table [rows, width]
 * @param ids int64, any shape, each in 0..rows-1
 * @returns [...ids, width]
 */
export function gather(table: Tensor, ids: Tensor): Tensor {
  if (table.rank !== 2 || ids.dtype !== 'int64')
    throw new GraphError(`Gather: cannot look up ${ids} in ${table}`);
  const width = table.shape[1]!;
  const flatIds = product(ids.shape);
  return table.graph.emit(
    'Gather',
    [table, ids],
    [{ shape: [...ids.shape, width], dtype: table.dtype }],
    {},
    ([g]) => [{ rows: reshape(g!, [flatIds, width]), ids: reshape(ids, [flatIds]) }, undefined],
  )[0]!;
}

/** Entries of the first axis. ids int64 [n]. For inference only: no gradient. */
export function take(x: Tensor, ids: Tensor): Tensor {
  if (ids.rank !== 1 || ids.dtype !== 'int64')
    throw new GraphError(`Gather: ${ids} does not select entries of ${x}`);
  return x.graph.emit('Gather', [x, ids], [{ shape: [ids.shape[0]!, ...x.shape.slice(1)] }])[0]!;
}

/**
 * `base` with rows added at the given indices, which may repeat.
 * ScatterElements and not ScatterND: the latter's reduction races when indices repeat and two threads run.
 */
export function addRows(base: Tensor, ids: Tensor, rows: Tensor): Tensor {
  const index = expand(reshape(ids, [ids.shape[0]!, 1]), rows);
  const [y] = base.graph.emit('ScatterElements', [base, index, rows], [{ shape: base.shape }], {
    axis: { int: 0 },
    reduction: 'add',
  });
  rowAdditions.set(y!, { base, ids, rows });
  return y!;
}

/** What `addRows` made a tensor from. */
const rowAdditions = new WeakMap<Tensor, { base: Tensor; ids: Tensor; rows: Tensor }>();

export const rowAddition = (x: Tensor): { base: Tensor; ids: Tensor; rows: Tensor } | undefined =>
  rowAdditions.get(x);

/** One value of each row: x[i, ids[i]]. x [rows, columns], ids int64 [rows] → [rows, 1]. For inference only. */
export function gatherElement(x: Tensor, ids: Tensor): Tensor {
  return takeAlong(x, reshape(ids, [x.shape[0]!, 1]));
}

/** Some values of each row: x[i, ids[i, j]]. x [rows, columns], ids int64 [rows, n] → [rows, n]. For inference only. */
export function takeAlong(x: Tensor, ids: Tensor): Tensor {
  return x.graph.emit('GatherElements', [x, ids], [{ shape: ids.shape }], { axis: { int: 1 } })[0]!;
}

// ---------------------------------------------------------------- layers

/** Added to a score, keeps it out of a softmax. Finite: a row in which all are kept out is then no NaN. */
export const MASKED = -1e9;

/** Softmax over the last axis. */
export function softmax(x: Tensor): Tensor {
  const [y] = x.graph.emit('Softmax', [x], [{ shape: x.shape }], { axis: { int: -1 } }, ([g]) => [
    mul(y!, sub(g!, sum(mul(g!, y!), [x.rank - 1]))),
  ]);
  return y!;
}

/** Logarithm of the softmax over the last axis. */
export function logSoftmax(x: Tensor): Tensor {
  const [y] = x.graph.emit('LogSoftmax', [x], [{ shape: x.shape }], { axis: { int: -1 } }, ([g]) => [
    sub(g!, mul(exp(y!), sum(g!, [x.rank - 1]))),
  ]);
  return y!;
}

/** Layer normalisation over the last axis, with scale and shift [width]. */
export function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon = 1e-5): Tensor {
  const width = x.shape.at(-1)!;
  if (!sameShape(gamma.shape, [width]) || !sameShape(beta.shape, [width])) {
    throw new GraphError(
      `LayerNormalization: scale ${formatShape(gamma.shape)} and shift ${formatShape(beta.shape)} do not fit ${formatShape(x.shape)}`,
    );
  }
  const statistic = { shape: [...x.shape.slice(0, -1), 1] };
  const last = x.rank - 1;
  const [y, center, inverse] = x.graph.emit(
    'LayerNormalization',
    [x, gamma, beta],
    [{ shape: x.shape }, statistic, statistic],
    { axis: { int: -1 }, epsilon: { float: epsilon } },
    ([g]) => {
      const normal = mul(sub(x, center!), inverse!);
      const gNormal = mul(g!, gamma);
      const projected = mul(normal, mean(mul(gNormal, normal), [last]));
      const dx = mul(inverse!, sub(sub(gNormal, mean(gNormal, [last])), projected));
      return [dx, unbroadcast(mul(g!, normal), gamma), unbroadcast(g!, beta)];
    },
  );
  return y!;
}
