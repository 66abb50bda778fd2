/**
 * Knowledge distillation from a teacher, another Whisper, on the same speech and text, beside the labels:
 * (1 − α)·CE + α·(T²·divergence of the distributions at temperature T + distances of hidden states). The teacher's decoder
 * runs in the same graph, under names of its own, and gets no gradient.
 */

import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import type { Tensor } from '../graph/graph.ts';
import { add, linear, mul, reshape, scale, softmax, sum } from '../graph/ops.ts';
import { fusedLinearLoss, negativeLogLikelihoods } from '../graph/output-loss.ts';
import type { EncoderMemory, Predictions } from '../whisper/training-graph.ts';
import { type DivergenceKind, divergences } from './divergence.ts';
import { type HiddenDistillation, hiddenLoss, projectionWeight } from './hidden-distillation.ts';
import { smoothing } from './label-smoothing.ts';
import type { Objective, StepContext, StepSizes } from './objective.ts';
import { TEACHER_PREFIX, type Teacher } from './teacher.ts';

export interface Distillation {
  readonly divergence: DivergenceKind;
  readonly temperature: number;
  /** Weights of cross-entropy and of the teacher's part in the loss: 1 − α and α. */
  readonly shares: { readonly labels: number; readonly teacher: number };
  readonly hidden?: HiddenDistillation | undefined;
  /** Label smoothing ε. Default 0. */
  readonly labelSmoothing?: number | undefined;
}

/** @param width the student's */
export function distillation(teacher: Teacher, width: number, options: Distillation): Objective {
  const { hidden } = options;
  return {
    loss: (predictions) => {
      const memory = teacher.encoderFeeds && encoderInputs(predictions, teacher.dimensions);
      const theirs = predictions.secondDecoder(TEACHER_PREFIX, teacher.dimensions, memory);
      const { loss, metrics } = logitDistillation(predictions, linear(theirs.hidden, theirs.output), options);
      if (!hidden) return { loss, metrics };
      const distance = hiddenLoss(predictions, theirs, teacher.dimensions, hidden);
      return {
        loss: add(loss, scale(distance, options.shares.teacher)),
        metrics: { ...metrics, hiddenDistance: distance },
      };
    },
    ...(teacher.encoderFeeds && { feeds: ({ examples }: StepContext) => teacher.encoderFeeds!(examples) }),
    memory: (batch) => ({ weights: teacher.bytes, activations: 4 * stepFloats(teacher.dimensions, batch) }),
    ...(hidden && { weights: [projectionWeight(width, teacher.dimensions.width)] }),
  };
}

/**
 * Of one teacher layer at a time (see memory-estimate.ts), of its frames transposed, and of the matrices of rows × outputs
 * beside cross-entropy's two: both logits by the temperature, their logarithms and probabilities.
 */
function stepFloats(
  { width, decoderHeads, decoderFfn }: WhisperDimensions,
  { clips, frames, tokens, rows, outputs }: StepSizes,
): number {
  const layer = clips * tokens * (10 * width + 2 * decoderHeads * (tokens + frames) + 2 * decoderFfn);
  return layer + 2 * clips * frames * width + 4 * rows * outputs;
}

/** Declares the inputs that `Teacher.encoderFeeds` feeds. */
function encoderInputs({ graph }: Predictions, { width }: WhisperDimensions): EncoderMemory {
  return {
    frames: graph.input(`${TEACHER_PREFIX}frames`, ['batch', 'teacherFrames', width]),
    frameBias: graph.input(`${TEACHER_PREFIX}frameBias`, ['batch', 1, 1, 'teacherFrames']),
  };
}

/** @param teacherLogits [rows, outputs] */
function logitDistillation(
  predictions: Predictions,
  teacherLogits: Tensor,
  { divergence, temperature, shares, labelSmoothing = 0 }: Distillation,
) {
  const { hidden, output, labels, weights } = predictions;
  const column = reshape(weights, [weights.shape[0]!, 1]);
  const total = (losses: Tensor): Tensor => reshape(sum(mul(losses, column), [0]), []);
  const cool = (logits: Tensor): Tensor => (temperature === 1 ? logits : scale(logits, 1 / temperature));
  const metrics: Record<string, Tensor> = {};
  let loss = fusedLinearLoss(hidden, output, weights, (logits) => {
    const probabilities = softmax(logits);
    const likelihoods = negativeLogLikelihoods(probabilities, labels);
    const apart = divergences[divergence](cool(logits), cool(teacherLogits));
    // T² keeps the gradient's size whatever the temperature (Hinton et al. 2015): by the logits it is T.
    const losses = scale(apart.losses, temperature ** 2);
    metrics.crossEntropy = total(likelihoods);
    metrics.distillation = total(losses);
    return {
      losses: add(scale(likelihoods, shares.labels), scale(losses, shares.teacher)),
      logitGradients: add(
        scale(probabilities, shares.labels),
        scale(apart.logitGradients, shares.teacher * temperature),
      ),
      labels: { ids: labels, share: shares.labels },
    };
  });
  if (labelSmoothing > 0) loss = add(loss, scale(smoothing(predictions), shares.labels * labelSmoothing));
  return { loss, metrics };
}
