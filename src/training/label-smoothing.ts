/** Label smoothing (Szegedy et al. 2016), as in PyTorch's CrossEntropyLoss. */

import type { Tensor } from '../graph/graph.ts';
import { add, gather, mean, mul, reshape, scale, sub, sum } from '../graph/ops.ts';
import { crossEntropyLoss, type Predictions } from '../whisper/training-graph.ts';
import type { Objective } from './objective.ts';

/**
 * Cross-entropy with target probability 1 − ε + ε/V for the label, and ε/V for each other of the V outputs.
 * @param epsilon from 0 to below 1
 */
export function smoothedCrossEntropy(epsilon: number): Objective {
  return {
    loss: (predictions) => {
      const { loss } = crossEntropyLoss(predictions);
      return {
        loss: add(loss, scale(smoothing(predictions), epsilon)),
        metrics: { crossEntropy: loss },
      };
    },
  };
}

/**
 * The term that smoothing adds to cross-entropy, for ε = 1: Σ weightᵢ · (logit of the label − mean of all logits). The mean of the
 * logits is the hidden state's product with the mean row of the output matrix: no matrix of positions × vocabulary.
 * @returns a scalar, shape []
 */
export function smoothing({ hidden, output, labels, weights }: Predictions): Tensor {
  const contrast = sub(gather(output, labels), mean(output, [0])); // [rows, width]
  const differences = sum(mul(hidden, contrast), [1]); // [rows, 1]
  return reshape(sum(mul(differences, reshape(weights, [weights.shape[0]!, 1])), [0]), []);
}
