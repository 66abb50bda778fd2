/** The layers that encoder and decoder are made of. Weights carry Hugging Face's names. */
import type { Graph, Tensor } from '../graph/graph.ts';
import { add, gelu, layerNorm, linear, matmul, reshape, scale, softmax, transpose } from '../graph/ops.ts';

/** Keys and values of one attention, ready for its products. */
export interface Memory {
  /** [batch, heads, head width, positions]: transposed, as the scores need it. */
  readonly keys: Tensor;
  /** [batch, heads, positions, head width] */
  readonly values: Tensor;
}

/** A linear layer `<name>.weight` [out, in], with `<name>.bias` [out] unless told otherwise. */
function projection(x: Tensor, name: string, out: number, hasBias = true): Tensor {
  const inner = x.shape.at(-1) as number;
  const weight = x.graph.parameter(`${name}.weight`, [out, inner]);
  return linear(x, weight, hasBias ? x.graph.parameter(`${name}.bias`, [out]) : undefined);
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
export function memory(x: Tensor, name: string, heads: number): Memory {
  const [batch, positions, width] = x.shape;
  const perHead = [batch!, positions!, heads, (width as number) / heads];
  const keys = reshape(projection(x, `${name}.k_proj`, width as number, false), perHead);
  const values = reshape(projection(x, `${name}.v_proj`, width as number), perHead);
  return { keys: transpose(keys, [0, 2, 3, 1]), values: transpose(values, [0, 2, 1, 3]) };
}

/**
 * Multi-head attention of x [batch, queries, width] to a memory.
 * @param bias added to the scores before the softmax; broadcasts to [batch, heads, queries, positions]
 * @returns [batch, queries, width]
 */
export function attention(
  x: Tensor,
  name: string,
  heads: number,
  { keys, values }: Memory,
  bias?: Tensor,
): Tensor {
  const [batch, queryCount, width] = x.shape;
  const headWidth = (width as number) / heads;
  const scaled = scale(projection(x, `${name}.q_proj`, width as number), headWidth ** -0.5);
  const queries = transpose(reshape(scaled, [batch!, queryCount!, heads, headWidth]), [0, 2, 1, 3]);
  const scores = matmul(queries, keys); // [batch, heads, queries, positions]
  const mixed = matmul(softmax(bias ? add(scores, bias) : scores), values); // [batch, heads, queries, head width]
  return projection(reshape(transpose(mixed, [0, 2, 1, 3]), x.shape), `${name}.out_proj`, width as number);
}

export function feedForward(x: Tensor, name: string, inner: number): Tensor {
  return projection(gelu(projection(x, `${name}.fc1`, inner)), `${name}.fc2`, x.shape.at(-1) as number);
}

/** Rows of a position table for the given positions. */
export function positionTable(graph: Graph, name: string, count: number, width: number): Tensor {
  return graph.parameter(`${name}.weight`, [count, width]);
}
