/** Attention in one operator, without its scores in memory (FlashAttention, Dao et al. 2022): for inference only. */
import { type Dim, GraphError, type Tensor } from './graph.ts';
import { concat, reshape } from './ops.ts';

/**
 * Multi-head attention: softmax(q·kᵀ / √head width + bias)·v.
 * @param queries [batch, queries, width]
 * @param keys [batch, positions, width]
 * @param values [batch, positions, width]
 * @param bias added to the scores of each position, [1, 1, 1, positions]
 * @returns [batch, queries, width]
 */
export function fusedAttention(
  queries: Tensor,
  keys: Tensor,
  values: Tensor,
  heads: number,
  bias?: Tensor,
): Tensor {
  const headWidth = (queries.shape[2] as number) / heads;
  // The operator is fast only without a bias: it becomes a number more of each key, which meets the same number of each query.
  const [q, k] = bias
    ? [
        widened(queries, queries.graph.scalar(Math.sqrt(headWidth)), heads),
        widened(keys, reshape(bias, [1, bias.shape[3]!, 1, 1]), heads),
      ]
    : [queries, keys];
  return queries.graph.emit(
    'com.microsoft.MultiHeadAttention',
    [q, k, values],
    [{ shape: queries.shape }],
    { num_heads: { int: heads }, scale: { float: headWidth ** -0.5 } },
    () => {
      throw new GraphError('MultiHeadAttention: this form of attention cannot be trained');
    },
  )[0]!;
}

/** x [batch, positions, width] with a number more for each head: [batch, positions, width + heads]. */
function widened(x: Tensor, number: Tensor, heads: number): Tensor {
  const [batch, positions, width] = x.shape as [Dim, Dim, number];
  const perHead = reshape(x, [batch, positions, heads, width / heads]);
  const { graph } = x;
  const shape = [batch, positions, heads, 1];
  const sizes = concat(
    shape.map((size) => graph.size(size)),
    0,
  );
  const column = graph.emit('Expand', [number, sizes], [{ shape }])[0]!;
  return reshape(concat([perHead, column], 3), [batch, positions, width + heads]);
}
