/** The output layer and a loss of its logits in one: positions × vocabulary is most of a training step's memory. */
import { formatShape, GraphError, sameShape, type Tensor } from './graph.ts';
import {
  clampMin,
  gather,
  gatherElement,
  gemm,
  linear,
  log,
  mul,
  neg,
  reshape,
  scale,
  softmax,
  sub,
  sum,
} from './ops.ts';

/** A loss of each position's logits, and its derivative. */
export interface FusedLinearLoss {
  /** [positions, 1] */
  readonly losses: Tensor;
  /** Derivative of each position's loss by its logits [positions, vocabulary], without `labels`. */
  readonly logitGradients: Tensor;
  /** Further term of the derivative: −share at the label. Kept apart, as a scatter into `logitGradients` would copy it. */
  readonly labels?: { readonly ids: Tensor; readonly share: number };
}

/**
 * Σ weightᵢ · lossᵢ(W·hᵢ). Differentiated as one node, so that only one matrix of positions × vocabulary
 * (`logitGradients`) is kept, whatever the loss.
 * @param hidden [positions, width]
 * @param weight W [vocabulary, width]
 * @param weights [positions]; no gradient flows to it
 * @param lossOf from the logits [positions, vocabulary]
 * @returns a scalar, shape []
 */
export function fusedLinearLoss(
  hidden: Tensor,
  weight: Tensor,
  weights: Tensor,
  lossOf: (logits: Tensor) => FusedLinearLoss,
): Tensor {
  const [positions] = hidden.shape;
  if (hidden.rank !== 2 || !sameShape(weights.shape, [positions!])) {
    throw new GraphError(
      `LogitLoss: weights ${formatShape(weights.shape)} do not fit hidden states ${formatShape(hidden.shape)}`,
    );
  }
  const { losses, logitGradients, labels } = lossOf(linear(hidden, weight));
  const column = reshape(weights, [positions!, 1]);
  const total = sum(mul(losses, column), [0]);
  const [y] = hidden.graph.emit(
    'Reshape',
    [total, hidden.graph.integers([])],
    [{ shape: [] }],
    {},
    ([g]) => {
      const factor = mul(column, g!);
      const weighted = mul(hidden, factor);
      const byWeight = gemm(logitGradients, weight, false, false);
      const toWeight = gemm(logitGradients, weighted, true, false);
      if (!labels) return [mul(byWeight, factor), toWeight, undefined];
      const { ids, share } = labels;
      const shared = (x: Tensor): Tensor => (share === 1 ? x : scale(x, share));
      // Two parts of one gradient: what all rows get, and what the labels' rows get.
      return [
        mul(sub(byWeight, shared(gather(weight, ids))), factor),
        toWeight,
        { rows: neg(shared(weighted)), ids },
      ];
    },
    [hidden, weight, weight],
  );
  return y!;
}

/** −log of each label's probability [positions, 1]. 1e-38 keeps the logarithm of an underflow finite (87 nats). */
export function negativeLogLikelihoods(probabilities: Tensor, labels: Tensor): Tensor {
  return neg(log(clampMin(gatherElement(probabilities, labels), 1e-38)));
}

/**
 * Output layer and weighted cross-entropy: −Σ weightᵢ · log softmax(W·hᵢ)[labelᵢ]. With weights of 1/count it is the mean;
 * a weight of 0 excludes the position. Its derivative by the logits is softmax − one-hot.
 * @param labels int64 [positions]; others as in `fusedLinearLoss`
 */
export function fusedCrossEntropy(hidden: Tensor, weight: Tensor, labels: Tensor, weights: Tensor): Tensor {
  if (!sameShape(labels.shape, hidden.shape.slice(0, 1))) {
    throw new GraphError(
      `OutputLoss: labels ${formatShape(labels.shape)} do not fit hidden states ${formatShape(hidden.shape)}`,
    );
  }
  return fusedLinearLoss(hidden, weight, weights, (logits) => {
    const probabilities = softmax(logits);
    return {
      losses: negativeLogLikelihoods(probabilities, labels),
      logitGradients: probabilities,
      labels: { ids: labels, share: 1 },
    };
  });
}
