/** The output layer and a loss of its logits in one: positions × vocabulary is most of a training step's memory. */
import { formatShape, GraphError, type InputGradient, sameShape, type Tensor } from './graph.ts';
import {
  add,
  clampMin,
  concat,
  exp,
  gather,
  gatherElement,
  gemm,
  linear,
  log,
  logSumExp,
  max,
  mul,
  neg,
  reshape,
  scale,
  softmax,
  split,
  sub,
  sum,
  weightGradient,
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
  return weightedSum(losses, weights, [hidden, weight, weight], (factor) => {
    const weighted = mul(hidden, factor);
    const byWeight = gemm(logitGradients, weight, false, false);
    const toWeight = outputGradient(logitGradients, weighted, weight);
    if (!labels) return [mul(byWeight, factor), toWeight, undefined];
    const { ids, share } = labels;
    const shared = (x: Tensor): Tensor => (share === 1 ? x : scale(x, share));
    // Two parts of one gradient: what all rows get, and what the labels' rows get.
    return [
      mul(sub(byWeight, shared(gather(weight, ids))), factor),
      toWeight,
      { rows: neg(shared(weighted)), ids },
    ];
  });
}

/**
 * Σ weightᵢ · lossᵢ, whose derivative is the caller's.
 * @param losses [positions, 1]
 * @param weights [positions]
 * @param differentiated what the losses depend on, as often as `gradient` has parts of a gradient
 * @param gradient from the derivative of the sum by each loss, [positions, 1]
 * @returns a scalar, shape []
 */
function weightedSum(
  losses: Tensor,
  weights: Tensor,
  differentiated: readonly Tensor[],
  gradient: (factor: Tensor) => readonly InputGradient[],
): Tensor {
  const { graph } = losses;
  const column = reshape(weights, losses.shape);
  const total = sum(mul(losses, column), [0]);
  return graph.emit(
    'Reshape',
    [total, graph.integers([])],
    [{ shape: [] }],
    {},
    ([g]) => gradient(mul(column, g!)),
    differentiated,
  )[0]!;
}

/** −log of each label's probability [positions, 1]. 1e-38 keeps the logarithm of an underflow finite (87 nats). */
export function negativeLogLikelihoods(probabilities: Tensor, labels: Tensor): Tensor {
  return neg(log(clampMin(gatherElement(probabilities, labels), 1e-38)));
}

/**
 * Rows of the output matrix whose logits are computed at a time. Whole, the products with it read and write far more than the
 * processor's caches hold, in long strides, and take up to twice as long.
 */
const BLOCK_ROWS = 1040;

/**
 * Output layer and weighted cross-entropy: −Σ weightᵢ · log softmax(W·hᵢ)[labelᵢ]. With weights of 1/count it is the mean;
 * a weight of 0 excludes the position. Its derivative by the logits is softmax − one-hot.
 *
 * Each block of outputs has a softmax of its own; its share of the whole softmax is a factor of each position, which the
 * two gradient products take on their smaller side.
 * @param labels int64 [positions]; others as in `fusedLinearLoss`
 */
export function fusedCrossEntropy(hidden: Tensor, weight: Tensor, labels: Tensor, weights: Tensor): Tensor {
  const [positions] = hidden.shape;
  if (
    hidden.rank !== 2 ||
    !sameShape(labels.shape, [positions!]) ||
    !sameShape(weights.shape, [positions!])
  ) {
    throw new GraphError(
      `OutputLoss: labels ${formatShape(labels.shape)} or weights ${formatShape(weights.shape)} do not fit hidden states ${formatShape(hidden.shape)}`,
    );
  }
  const blocks = rowBlocks(weight).map((rows) => {
    const logits = gemm(hidden, rows, false, true);
    const probabilities = softmax(logits);
    // The largest probability is 1 / Σ exp(logit − the largest): it is never below 1 / outputs.
    const logSum = sub(max(logits, 1), log(max(probabilities, 1)));
    return { rows, probabilities, logSum };
  });
  const logSums = blocks.map(({ logSum }) => logSum);
  const logSum = blocks.length === 1 ? logSums[0]! : logSumExp(concat(logSums, 1)); // [positions, 1]
  const labelRows = gather(weight, labels);
  const losses = sub(logSum, sum(mul(hidden, labelRows), [1]));
  const differentiated = [hidden, weight, ...blocks.map(({ rows }) => rows)];
  return weightedSum(losses, weights, differentiated, (factor) => {
    const weighted = mul(hidden, factor);
    const parts = blocks.map(({ rows, probabilities, logSum: own }) => {
      const share = blocks.length === 1 ? undefined : exp(sub(own, logSum));
      const byRows = gemm(probabilities, rows, false, false);
      return {
        toHidden: share ? mul(byRows, share) : byRows,
        toRows: weightGradient(probabilities, share ? mul(weighted, share) : weighted),
      };
    });
    const toHidden = parts.map((part) => part.toHidden).reduce((a, b) => add(a, b));
    // Two parts of one gradient: what all rows get, and what the labels' rows get.
    return [
      mul(sub(toHidden, labelRows), factor),
      { rows: neg(weighted), ids: labels },
      ...parts.map(({ toRows }) => toRows),
    ];
  });
}

/** A weight's rows in blocks; any other tensor whole, since a split would copy it. */
function rowBlocks(weight: Tensor): readonly Tensor[] {
  const lengths = blockLengths(weight);
  return lengths.length < 2 ? [weight] : split(weight, 0, lengths);
}

/** Numbers of rows of a weight's blocks. None of another tensor. */
function blockLengths({ shape: [rows], producer }: Tensor): number[] {
  if (producer || typeof rows !== 'number') return [];
  return Array.from({ length: Math.ceil(rows / BLOCK_ROWS) }, (_, i) =>
    Math.min(BLOCK_ROWS, rows - i * BLOCK_ROWS),
  );
}

/**
 * Gradient of the output matrix by those of the logits: block by block, which are put together where the gradient is to lie.
 * @param logitGradients [positions, vocabulary]
 * @param hidden [positions, width]
 */
function outputGradient(logitGradients: Tensor, hidden: Tensor, weight: Tensor): Tensor {
  const lengths = blockLengths(weight);
  if (lengths.length < 2) return gemm(logitGradients, hidden, true, false);
  const blocks = split(logitGradients, 1, lengths);
  return concat(
    blocks.map((block) => weightGradient(block, hidden)),
    0,
  );
}
