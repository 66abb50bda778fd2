/**
 * The objective of Whisper Speaker Identification (Emon et al. 2025, arXiv 2503.10446): batch-hard triplets and
 * agreement of each clip with its noisy and its stretched self.
 */
import type { Tensor } from '../../graph/graph.ts';
import {
  add,
  clampMin,
  concat,
  div,
  greater,
  logSoftmax,
  MASKED,
  matmul,
  max,
  mean,
  mul,
  neg,
  relu,
  reshape,
  scale,
  sqrt,
  stopGradient,
  sub,
  sum,
  transpose,
} from '../../graph/ops.ts';

/** Floor of squared distances: the gradient of the root is infinite at 0. */
const MIN_SQUARED_DISTANCE = 1e-12;

/**
 * Batch-hard triplet loss (Hermans et al. 2017, arXiv 1703.07737): mean over the batch of
 * max(0, margin + farthest clip of the same speaker − nearest clip of another), in L2 distance.
 * @param embeddings [batch, width]; the batch's size is known
 * @param same [batch, batch], 1 where two different clips have one speaker; each row needs one
 * @param other [batch, batch], 1 where they have two; each row needs one
 * @returns a scalar, shape []
 */
export function batchHardTriplet(embeddings: Tensor, same: Tensor, other: Tensor, margin = 1): Tensor {
  const [batch, width] = embeddings.shape;
  const { graph } = embeddings;
  const difference = sub(reshape(embeddings, [batch!, 1, width!]), reshape(embeddings, [1, batch!, width!]));
  const squares = reshape(sum(mul(difference, difference), [2]), [batch!, batch!]);
  const distances = sqrt(clampMin(squares, MIN_SQUARED_DISTANCE));
  const positive = largest(mul(distances, same));
  // Pushes clips of the same speaker beyond every maximum.
  const away = scale(sub(graph.scalar(1), other), 1e6);
  const negative = neg(largest(neg(add(distances, away))));
  const losses = relu(add(sub(positive, negative), graph.scalar(margin)));
  return reshape(mean(losses, [0, 1]), []);
}

/** Largest of each row, [rows, 1]; the gradient goes to it, in equal parts where there are several. */
function largest(x: Tensor): Tensor {
  const chosen = stopGradient(sub(x.graph.scalar(1), greater(max(x, 1), x)));
  return div(sum(mul(x, chosen), [1]), sum(chosen, [1]));
}

/**
 * NT-Xent (SimCLR: Chen et al. 2020, arXiv 2002.05709): among all other clips of both views, each should be nearest, by
 * cosine / temperature, to its other view. Mean over the 2·batch clips.
 * @param one [batch, width]
 * @param two [batch, width]: the same clips, changed
 * @returns a scalar, shape []
 */
export function ntXent(one: Tensor, two: Tensor, temperature = 0.5): Tensor {
  const { graph } = one;
  const batch = one.shape[0] as number;
  const count = 2 * batch;
  const all = concat([one, two], 0);
  const length = sqrt(clampMin(sum(mul(all, all), [1]), MIN_SQUARED_DISTANCE));
  const unit = div(all, length);
  const itself = new Float32Array(count * count);
  const partner = new Float32Array(count * count);
  for (let i = 0; i < count; i++) {
    itself[i * count + i] = MASKED;
    partner[i * count + ((i + batch) % count)] = -1 / count;
  }
  const cosines = matmul(unit, transpose(unit, [1, 0]));
  const logits = add(scale(cosines, 1 / temperature), graph.constant(itself, [count, count]));
  const chosen = mul(logSoftmax(logits), graph.constant(partner, [count, count]));
  return reshape(sum(chosen, [0, 1]), []);
}

/** The whole objective: triplet + ½·[NT-Xent(z, z_noise) + NT-Xent(z, z_stretch)]. */
export function speakerLoss(
  views: { readonly clean: Tensor; readonly noise: Tensor; readonly stretch: Tensor },
  same: Tensor,
  other: Tensor,
): Tensor {
  const { clean, noise, stretch } = views;
  const agreement = add(ntXent(clean, noise), ntXent(clean, stretch));
  return add(batchHardTriplet(clean, same, other), scale(agreement, 0.5));
}
