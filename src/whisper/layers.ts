/** The layers that encoder and decoder are made of. Weights carry Hugging Face's names. */
import { type Graph, product, type Tensor } from '../graph/graph.ts';
import { add, gelu, layerNorm, linear, matmul, reshape, scale, softmax, transpose } from '../graph/ops.ts';

/** What an attention looks at, as the two products that it takes part in. */
export interface Memory {
  /** queries [batch, heads, queries, head width] → scores [batch, heads, queries, positions] */
  readonly scores: (queries: Tensor) => Tensor;
  /** weights [batch, heads, queries, positions] → the values' mean by them [batch, heads, queries, head width] */
  readonly mixed: (weights: Tensor) => Tensor;
}

/** Keys and values of one attention, made once for many queries. */
export interface KeysAndValues {
  /** [batch, heads, head width, positions]: transposed, as the scores need it. */
  readonly keys: Tensor;
  /** [batch, heads, positions, head width] */
  readonly values: Tensor;
}

/** Low-rank adapters of some projections (LoRA, Hu et al. 2021): W·x + (alpha / rank)·B·A·x. */
export interface Adapters {
  readonly rank: number;
  readonly alpha: number;
  /** Names of the projections, such as "model.decoder.layers.0.self_attn.q_proj". */
  readonly projections: ReadonlySet<string>;
}

/** Names of a projection's A [rank, in] and B [out, rank]; PEFT's, but for the prefix that it puts before all names. */
export const adapterNames = (projection: string): readonly [a: string, b: string] => [
  `${projection}.lora_A.weight`,
  `${projection}.lora_B.weight`,
];

/** Kept beside the graph: every projection made in it finds its adapter, and no layer has to hand it on. */
const adaptersOf = new WeakMap<Graph, Adapters>();

/** Projections made in `graph` from now on have these adapters. */
export function adapt(graph: Graph, adapters: Adapters): void {
  adaptersOf.set(graph, adapters);
}

function adapterOf(graph: Graph, name: string, out: number, inner: number) {
  const adapters = adaptersOf.get(graph);
  if (!adapters?.projections.has(name)) return undefined;
  const { rank, alpha } = adapters;
  const [a, b] = adapterNames(name);
  return { a: graph.parameter(a, [rank, inner]), b: graph.parameter(b, [out, rank]), factor: alpha / rank };
}

/** A linear layer `<name>.weight` [out, in], with `<name>.bias` [out] unless told otherwise. */
function projection(x: Tensor, name: string, out: number, hasBias = true): Tensor {
  const inner = x.shape.at(-1) as number;
  const weight = x.graph.parameter(`${name}.weight`, [out, inner]);
  const y = linear(x, weight, hasBias ? x.graph.parameter(`${name}.bias`, [out]) : undefined);
  const adapter = adapterOf(x.graph, name, out, inner);
  // Not with the merged weight: its gradient would be as large as the weight's, and A·x is small.
  return adapter ? add(y, linear(scale(linear(x, adapter.a), adapter.factor), adapter.b)) : y;
}

/** The weight [out, in] of the projection `name`, its adapter merged: W + (alpha / rank)·B·A. */
export function mergedWeight(graph: Graph, name: string, out: number, inner: number): Tensor {
  const weight = graph.parameter(`${name}.weight`, [out, inner]);
  const adapter = adapterOf(graph, name, out, inner);
  return adapter ? add(weight, matmul(scale(adapter.b, adapter.factor), adapter.a)) : weight;
}

export function normalized(x: Tensor, name: string): Tensor {
  const width = x.shape.at(-1) as number;
  return layerNorm(
    x,
    x.graph.parameter(`${name}.weight`, [width]),
    x.graph.parameter(`${name}.bias`, [width]),
  );
}

/** Keys and values that the attention `name` makes of x [batch, positions, width]. Whisper's keys have no bias. */
export function keysAndValues(x: Tensor, name: string, heads: number): KeysAndValues {
  const [batch, positions, width] = x.shape;
  const perHead = [batch!, positions!, heads, (width as number) / heads];
  const keys = reshape(projection(x, `${name}.k_proj`, width as number, false), perHead);
  const values = reshape(projection(x, `${name}.v_proj`, width as number), perHead);
  return { keys: transpose(keys, [0, 2, 3, 1]), values: transpose(values, [0, 2, 1, 3]) };
}

export function memoryOf({ keys, values }: KeysAndValues): Memory {
  return {
    scores: (queries) => matmul(queries, keys),
    mixed: (weights) => matmul(weights, values),
  };
}

/**
 * The memory of x [batch, positions, width] without its keys and values: (q·Wk)·xᵀ for q·(x·Wkᵀ)ᵀ, and (p·x)·Wvᵀ for
 * p·(x·Wvᵀ). Where heads × queries are fewer than the width, as in a training step over many frames, this takes half
 * the arithmetic, and what it keeps for the gradient does not grow with the frames.
 */
export function unprojectedMemory(x: Tensor, name: string, heads: number): Memory {
  const [batch, positions] = x.shape;
  const width = x.shape[2] as number;
  const headWidth = width / heads;
  const perHead = (projected: 'k_proj' | 'v_proj'): Tensor =>
    reshape(mergedWeight(x.graph, `${name}.${projected}`, width, width), [heads, headWidth, width]);
  const transposed = transpose(x, [0, 2, 1]); // [batch, width, positions]
  return {
    scores: (queries) => {
      const count = queries.shape[2]!;
      const byHead = reshape(transpose(queries, [1, 0, 2, 3]), [heads, product([batch!, count]), headWidth]);
      const inFrames = reshape(matmul(byHead, perHead('k_proj')), [heads, batch!, count, width]);
      const byClip = reshape(transpose(inFrames, [1, 0, 2, 3]), [batch!, product([heads, count]), width]);
      return reshape(matmul(byClip, transposed), [batch!, heads, count, positions!]);
    },
    mixed: (weights) => {
      const count = weights.shape[2]!;
      const byClip = matmul(reshape(weights, [batch!, product([heads, count]), positions!]), x);
      const inFrames = transpose(reshape(byClip, [batch!, heads, count, width]), [1, 0, 2, 3]);
      const values = matmul(
        reshape(inFrames, [heads, product([batch!, count]), width]),
        transpose(perHead('v_proj'), [0, 2, 1]),
      );
      // The weights of one query sum to 1: its share of the values' bias is the bias.
      const bias = reshape(x.graph.parameter(`${name}.v_proj.bias`, [width]), [heads, 1, headWidth]);
      return transpose(reshape(add(values, bias), [heads, batch!, count, headWidth]), [1, 0, 2, 3]);
    },
  };
}

/**
 * Multi-head attention of x [batch, queries, width] to a memory.
 * @param bias added to the scores before the softmax; broadcasts to [batch, heads, queries, positions]
 * @returns [batch, queries, width]
 */
export function attention(x: Tensor, name: string, heads: number, memory: Memory, bias?: Tensor): Tensor {
  const [batch, queryCount, width] = x.shape;
  const headWidth = (width as number) / heads;
  const scaled = scale(projection(x, `${name}.q_proj`, width as number), headWidth ** -0.5);
  const queries = transpose(reshape(scaled, [batch!, queryCount!, heads, headWidth]), [0, 2, 1, 3]);
  const scores = memory.scores(queries); // [batch, heads, queries, positions]
  const mixed = memory.mixed(softmax(bias ? add(scores, bias) : scores)); // [batch, heads, queries, head width]
  return projection(reshape(transpose(mixed, [0, 2, 1, 3]), x.shape), `${name}.out_proj`, width as number);
}

export function feedForward(x: Tensor, name: string, inner: number): Tensor {
  return projection(gelu(projection(x, `${name}.fc1`, inner)), `${name}.fc2`, x.shape.at(-1) as number);
}

/** Rows of a position table for the given positions. */
export function positionTable(graph: Graph, name: string, count: number, width: number): Tensor {
  return graph.parameter(`${name}.weight`, [count, width]);
}
