/** A typed graph of ONNX operators: every tensor knows its type and shape while the graph is being built. */

export type DType = 'float32' | 'float16' | 'int64' | 'int32' | 'int8' | 'uint8' | 'bool';

/** A fixed size, or the name of one known at run time ("batch", "frames"). Equal names are equal sizes. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** A Uint16Array holds the bits of float16. */
export type ConstantData = Float32Array | Uint16Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;

export type Attribute =
  | number
  | string
  | readonly number[]
  | { readonly int: number }
  | { readonly float: number }
  /** Computed by the node, as often as it says: see subgraph.ts. */
  | { readonly body: Graph };

/** The gradient of one input: a dense tensor, or rows to add into the input at given indices (embedding look-up). */
export type InputGradient = Tensor | { readonly rows: Tensor; readonly ids: Tensor } | undefined;

/** Gradient of each input, given that of each output (undefined: the loss does not depend on it). */
export type GradientRule = (outputGradients: readonly (Tensor | undefined)[]) => readonly InputGradient[];

export interface Node {
  readonly op: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly gradient: GradientRule | undefined;
  /** Tensors that the rule differentiates by, where they are not the inputs: a rule for several nodes at once. */
  readonly differentiates: readonly (Tensor | undefined)[];
}

export class Tensor {
  constructor(
    readonly graph: Graph,
    readonly name: string,
    readonly dtype: DType,
    readonly shape: Shape,
    /** The node that outputs this tensor; undefined for inputs, parameters and constants. */
    readonly producer?: Node,
  ) {}

  get rank(): number {
    return this.shape.length;
  }

  toString(): string {
    return `${this.name}: ${this.dtype}${formatShape(this.shape)}`;
  }
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** Product of sizes; with an unknown size among them, a name that is the same for the same factors. */
export function product(dims: Shape): Dim {
  let known = 1;
  const names: string[] = [];
  for (const dim of dims) {
    if (typeof dim === 'number') known *= dim;
    else names.push(dim);
  }
  if (names.length === 0 || known === 0) return known;
  names.sort();
  if (known !== 1) names.unshift(String(known));
  return names.join('*');
}

/** Sum of sizes, the counterpart of `product`. */
export function sumOfSizes(dims: readonly Dim[]): Dim {
  const known = dims.reduce<number>((total, dim) => total + (typeof dim === 'number' ? dim : 0), 0);
  const names = dims.filter((dim) => typeof dim === 'string').sort();
  if (names.length === 0) return known;
  return (known === 0 ? names : [...names, known]).join('+');
}

/** The value of each named size. */
export type Sizes = ReadonlyMap<string, number>;

/** The value of a size: a product of sums of named sizes. */
export function sizeOf(dim: Dim, sizes: Sizes): number {
  if (typeof dim === 'number') return dim;
  const known = sizes.get(dim);
  if (known !== undefined) return known;
  const term = (name: string): number => {
    const value = /^\d+$/.test(name) ? Number(name) : sizes.get(name);
    if (value === undefined) throw new Error(`internal: the size "${name}" is not known`);
    return value;
  };
  return dim
    .split('*')
    .map((factor) => factor.split('+').reduce((sum, name) => sum + term(name), 0))
    .reduce((product, factor) => product * factor, 1);
}

/** An operator was applied to tensors whose types or shapes do not fit; thrown while the graph is built. */
export class GraphError extends TypeError {
  override name = 'GraphError';
}

export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs = new Map<string, Tensor>();
  readonly parameters = new Map<string, Tensor>();
  readonly constants = new Map<string, { readonly tensor: Tensor; readonly data: ConstantData }>();
  readonly outputs = new Map<string, Tensor>();
  /** Of the body of a node: values of the graph around it that it reads, and its own tensors for them. */
  readonly captured = new Map<Tensor, Tensor>();
  /** Activations to keep when those between them are recomputed: see backward.ts. */
  readonly checkpoints: Tensor[] = [];
  /** While set, maps each input to its recomputed stand-in (see backward.ts). */
  recomputed: ((input: Tensor) => Tensor) | undefined;
  /** First tensor with each named size: its run-time value is read there. */
  readonly #sizes = new Map<string, { tensor: Tensor; axis: number; value?: Tensor }>();
  #counter = 0;

  /** @param prefix of the names of results and constants: those of a body must differ from those around it */
  constructor(private readonly prefix = '') {}

  /** Declares a value to be fed at every run. */
  input(name: string, shape: Shape, dtype: DType = 'float32'): Tensor {
    if (this.inputs.has(name) || this.parameters.has(name))
      throw new GraphError(`input "${name}" is declared twice`);
    const tensor = new Tensor(this, name, dtype, shape);
    this.inputs.set(name, tensor);
    this.#noteSizes(tensor);
    return tensor;
  }

  /** A weight, shared by all who use its name. The session decides whether it is fed (training) or built in (inference). */
  parameter(name: string, shape: readonly number[], dtype: DType = 'float32'): Tensor {
    const known = this.parameters.get(name);
    if (known) {
      if (!sameShape(known.shape, shape)) {
        throw new GraphError(
          `parameter "${name}" is used as ${formatShape(known.shape)} and as ${formatShape(shape)}`,
        );
      }
      return known;
    }
    const tensor = new Tensor(this, name, dtype, shape);
    this.parameters.set(name, tensor);
    return tensor;
  }

  constant(data: ConstantData, shape: readonly number[]): Tensor {
    if (product(shape) !== data.length) {
      throw new GraphError(`constant of ${data.length} values does not fill ${formatShape(shape)}`);
    }
    const dtype =
      data instanceof Float32Array
        ? 'float32'
        : data instanceof Uint16Array
          ? 'float16'
          : data instanceof BigInt64Array
            ? 'int64'
            : data instanceof Int32Array
              ? 'int32'
              : data instanceof Int8Array
                ? 'int8'
                : 'uint8';
    // Small constants (axes, scalars) recur everywhere: one copy each.
    const key =
      data.length <= 16 ? `${dtype}_${shape.join('x')}_${Array.from(data, String).join('_')}` : undefined;
    const name = `${this.prefix}constant_${key ?? this.#counter++}`;
    const known = this.constants.get(name);
    if (known) return known.tensor;
    const tensor = new Tensor(this, name, dtype, shape);
    this.constants.set(name, { tensor, data });
    return tensor;
  }

  scalar(value: number): Tensor {
    return this.constant(Float32Array.of(value), []);
  }

  integers(values: readonly number[]): Tensor {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** A value of the graph around this one, which is its node's body: an input, weight or constant. */
  capture(outer: Tensor): Tensor {
    if (outer.producer)
      throw new GraphError(`internal: ${outer} is computed, and cannot be captured by name`);
    const known = this.captured.get(outer);
    if (known) return known;
    const tensor = new Tensor(this, outer.name, outer.dtype, outer.shape);
    this.captured.set(outer, tensor);
    return tensor;
  }

  /** Names `tensor` as a result of the graph. */
  output(name: string, tensor: Tensor): void {
    if (this.outputs.has(name)) throw new GraphError(`output "${name}" is declared twice`);
    this.outputs.set(name, tensor);
  }

  /** Marks an activation to keep under recomputation. To be called in the order of computation. */
  checkpoint(tensor: Tensor): void {
    this.checkpoints.push(tensor);
  }

  /** Adds a node. The caller (an operator function) checks shapes and gives those of the outputs. */
  emit(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    outputs: readonly { readonly shape: Shape; readonly dtype?: DType }[],
    attributes: Readonly<Record<string, Attribute>> = {},
    gradient?: GradientRule,
    differentiates: readonly (Tensor | undefined)[] = inputs,
  ): readonly Tensor[] {
    for (const input of inputs) {
      if (input && input.graph !== this) throw new GraphError(`${op}: ${input} belongs to another graph`);
    }
    const results: Tensor[] = [];
    const { recomputed } = this;
    const given = recomputed ? inputs.map((input) => input && recomputed(input)) : inputs;
    const node: Node = { op, inputs: given, outputs: results, attributes, gradient, differentiates };
    for (const { shape, dtype } of outputs) {
      const tensor = new Tensor(
        this,
        `${this.prefix}${op}_${this.#counter++}`,
        dtype ?? inputs[0]?.dtype ?? 'float32',
        shape,
        node,
      );
      results.push(tensor);
      this.#noteSizes(tensor);
    }
    this.nodes.push(node);
    return results;
  }

  /** Whether `size` is defined for it: a number, or a name that a tensor of this graph has. */
  hasSize(dim: Dim): boolean {
    return typeof dim === 'number' || this.#sizes.has(dim);
  }

  /** The run-time value of a size as an int64 tensor of shape [1]. */
  size(dim: Dim): Tensor {
    if (typeof dim === 'number') return this.integers([dim]);
    const source = this.#sizes.get(dim);
    if (!source) throw new GraphError(`no tensor of this graph has a size named "${dim}"`);
    source.value ??= this.emit('Shape', [source.tensor], [{ shape: [1], dtype: 'int64' }], {
      start: { int: source.axis },
      end: { int: source.axis + 1 },
    })[0]!;
    return source.value;
  }

  #noteSizes(tensor: Tensor): void {
    tensor.shape.forEach((dim, axis) => {
      if (typeof dim === 'string' && !this.#sizes.has(dim)) this.#sizes.set(dim, { tensor, axis });
    });
  }
}
