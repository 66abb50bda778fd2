/** Layers of encoder and decoder. Weights have Hugging Face's names. */
import { fusedAttention } from '../graph/fused-attention.ts';
import { type Graph, product, type Tensor } from '../graph/graph.ts';
import { add, gelu, layerNorm, matmul, reshape, scale, softmax, transpose } from '../graph/ops.ts';
import { adapted, mergedWeight } from './adapters.ts';
import { withExpert } from './experts.ts';
import { linearProduct } from './products.ts';
import { variantOf, weight } from './variant.ts';

/** Source of an attention, as the two products that it takes part in. */
export interface AttentionSource {
  /** queries [batch, heads, queries, head width] → scores [batch, heads, queries, positions] */
  readonly scores: (queries: Tensor) => Tensor;
  /** weights [batch, heads, queries, positions] → the values' mean by them [batch, heads, queries, head width] */
  readonly weightedValues: (weights: Tensor) => Tensor;
}

/** Keys and values of one attention, computed once for many queries. */
export interface KeysAndValues {
  /** [batch, heads, head width, positions]: transposed, as the scores need it. */
  readonly keys: Tensor;
  /** [batch, heads, positions, head width] */
  readonly values: Tensor;
}

/** A linear layer `<name>.weight` [out, in], with `<name>.bias` [out] by default. */
function projection(x: Tensor, name: string, out: number, hasBias = true): Tensor {
  const bias = hasBias ? weight(x.graph, `${name}.bias`, [out]) : undefined;
  return adapted(linearProduct(x, `${name}.weight`, out, bias), x, name);
}

export function normalized(x: Tensor, name: string): Tensor {
  const width = x.shape.at(-1) as number;
  return layerNorm(x, weight(x.graph, `${name}.weight`, [width]), weight(x.graph, `${name}.bias`, [width]));
}

/** Keys and values of the attention `name` for x [batch, positions, width]. Whisper's keys have no bias. */
export function keysAndValues(x: Tensor, name: string, heads: number): KeysAndValues {
  const [batch, positions, width] = x.shape;
  const perHead = [batch!, positions!, heads, (width as number) / heads];
  const keys = reshape(projection(x, `${name}.k_proj`, width as number, false), perHead);
  const values = reshape(projection(x, `${name}.v_proj`, width as number), perHead);
  return { keys: transpose(keys, [0, 2, 3, 1]), values: transpose(values, [0, 2, 1, 3]) };
}

export function sourceOf({ keys, values }: KeysAndValues): AttentionSource {
  return {
    scores: (queries) => matmul(queries, keys),
    weightedValues: (weights) => matmul(weights, values),
  };
}

/**
 * The attention source x [batch, positions, width] with the projections absorbed, without keys and values: (q·Wk)·xᵀ for q·(x·Wkᵀ)ᵀ, and (p·x)·Wvᵀ for
 * p·(x·Wvᵀ). Where heads × queries are fewer than the width, as in a training step over many frames, this takes half
 * the arithmetic, and the activations kept for the gradient do not grow with the frames.
 */
export function absorbedSource(x: Tensor, name: string, heads: number): AttentionSource {
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
    weightedValues: (weights) => {
      const count = weights.shape[2]!;
      const byClip = matmul(reshape(weights, [batch!, product([heads, count]), positions!]), x);
      const inFrames = transpose(reshape(byClip, [batch!, heads, count, width]), [1, 0, 2, 3]);
      const values = matmul(
        reshape(inFrames, [heads, product([batch!, count]), width]),
        transpose(perHead('v_proj'), [0, 2, 1]),
      );
      // The weights of one query sum to 1: its share of the values' bias is the bias.
      const bias = reshape(weight(x.graph, `${name}.v_proj.bias`, [width]), [heads, 1, headWidth]);
      return transpose(reshape(add(values, bias), [heads, batch!, count, headWidth]), [1, 0, 2, 3]);
    },
  };
}

/**
 * Multi-head attention of x [batch, queries, width] to a source.
 * @param bias added to the scores before the softmax; broadcasts to [batch, heads, queries, positions]
 * @returns [batch, queries, width]
 */
export function attention(
  x: Tensor,
  name: string,
  heads: number,
  memory: AttentionSource,
  bias?: Tensor,
): Tensor {
  const [batch, queryCount, width] = x.shape;
  const headWidth = (width as number) / heads;
  const scaled = scale(projection(x, `${name}.q_proj`, width as number), headWidth ** -0.5);
  const queries = transpose(reshape(scaled, [batch!, queryCount!, heads, headWidth]), [0, 2, 1, 3]);
  const scores = memory.scores(queries); // [batch, heads, queries, positions]
  const weightedValues = memory.weightedValues(softmax(bias ? add(scores, bias) : scores)); // [batch, heads, queries, head width]
  return projection(
    reshape(transpose(weightedValues, [0, 2, 1, 3]), x.shape),
    `${name}.out_proj`,
    width as number,
  );
}

/**
 * Multi-head attention of x [batch, queries, width] to the positions of `seen` [batch, positions, width].
 * @param bias added to the scores, [1, 1, 1, positions]
 * @returns [batch, queries, width]
 */
export function attentionTo(x: Tensor, seen: Tensor, name: string, heads: number, bias?: Tensor): Tensor {
  const { attention: form = 'composed' } = variantOf(x.graph);
  if (form === 'composed') return attention(x, name, heads, sourceOf(keysAndValues(seen, name, heads)), bias);
  const width = x.shape[2] as number;
  const attended = fusedAttention(
    projection(x, `${name}.q_proj`, width),
    projection(seen, `${name}.k_proj`, width, false),
    projection(seen, `${name}.v_proj`, width),
    heads,
    bias,
    form.bias,
  );
  return projection(attended, `${name}.out_proj`, width);
}

export function feedForward(x: Tensor, name: string, inner: number): Tensor {
  return withExpert(x, name, (input, network) =>
    projection(
      gelu(projection(input, `${network}.fc1`, inner)),
      `${network}.fc2`,
      input.shape.at(-1) as number,
    ),
  );
}

/** Rows of a position table for the given positions. */
export function positionTable(graph: Graph, name: string, count: number, width: number): Tensor {
  return weight(graph, `${name}.weight`, [count, width]);
}
