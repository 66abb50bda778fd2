/** Divergences of a student's distributions from its teacher's, with the derivative by the student's logits. */

import type { Tensor } from '../graph/graph.ts';
import { add, clampMin, exp, log, logSoftmax, mul, scale, softmax, sub, sum } from '../graph/ops.ts';
import type { FusedLinearLoss } from '../graph/output-loss.ts';

export type DivergenceKind = 'kl' | 'js';

/** Of logits u [rows, outputs], already divided by the temperature. Gradients are by the student's. */
export type Divergence = (student: Tensor, teacher: Tensor) => FusedLinearLoss;

const overOutputs = (x: Tensor): Tensor => sum(x, [1]);

/** Kullback–Leibler, Σ p_teacher · (log p_teacher − log p_student): its logitGradients are p_student − p_teacher. */
const kullbackLeibler: Divergence = (student, teacher) => {
  const teacherLog = logSoftmax(teacher);
  const probabilities = exp(teacherLog);
  const losses = overOutputs(mul(probabilities, sub(teacherLog, logSoftmax(student))));
  return { losses, logitGradients: sub(softmax(student), probabilities) };
};

/**
 * Jensen–Shannon: ½·KL(p_teacher ‖ m) + ½·KL(p_student ‖ m), m the mean of both. Its logitGradients are
 * ½·p_student · (log(p_student / m) − KL(p_student ‖ m)).
 */
const jensenShannon: Divergence = (student, teacher) => {
  const [studentLog, teacherLog] = [logSoftmax(student), logSoftmax(teacher)];
  const [ours, theirs] = [exp(studentLog), exp(teacherLog)];
  // 1e-38: where both underflow, the logarithm stays finite, and counts for nothing.
  const middle = log(clampMin(scale(add(ours, theirs), 0.5), 1e-38));
  const ratio = sub(studentLog, middle);
  const ourPart = overOutputs(mul(ours, ratio));
  const theirPart = overOutputs(mul(theirs, sub(teacherLog, middle)));
  return {
    losses: scale(add(ourPart, theirPart), 0.5),
    logitGradients: mul(scale(ours, 0.5), sub(ratio, ourPart)),
  };
};

export const divergences: Readonly<Record<DivergenceKind, Divergence>> = {
  kl: kullbackLeibler,
  js: jensenShannon,
};
