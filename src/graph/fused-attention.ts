/** Attention in one operator, without its scores in memory (FlashAttention, Dao et al. 2022): for inference only. */
import { type Dim, GraphError, type Shape, type Tensor } from './graph.ts';
import { concat, reshape } from './ops.ts';

/**
 * Where the bias goes. `keys`: it becomes a number more of each key, which meets the same number of each query; with a bias of the
 * scores onnxruntime's operator on the CPU is slow. `scores`: what graphics cards have fused operators for.
 */
export type BiasPlace = 'keys' | 'scores';

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
  place: BiasPlace = 'keys',
): Tensor {
  const headWidth = (queries.shape[2] as number) / heads;
  const isWidened = bias && place === 'keys';
  const inputs: (Tensor | undefined)[] = isWidened
    ? [
        widened(queries, queries.graph.scalar(Math.sqrt(headWidth)), heads),
        widened(keys, reshape(bias, [1, bias.shape[3]!, 1, 1]), heads),
        values,
      ]
    : [queries, keys, values];
  if (bias && !isWidened) {
    const perQuery = stretched(bias, [1, 1, queries.shape[1]!, bias.shape[3]!]);
    // Between them: the projections' biases and a mask of the keys.
    inputs.push(undefined, undefined, perQuery);
  }
  return queries.graph.emit(
    'com.microsoft.MultiHeadAttention',
    inputs,
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
  const column = stretched(number, [batch, positions, heads, 1]);
  return reshape(concat([perHead, column], 3), [batch, positions, width + heads]);
}

function stretched(x: Tensor, shape: Shape): Tensor {
  const sizes = concat(
    shape.map((size) => x.graph.size(size)),
    0,
  );
  return x.graph.emit('Expand', [x, sizes], [{ shape }])[0]!;
}
