/**
 * AdamW (Loshchilov & Hutter 2019) with clipping, as operators: for devices where weights and moments stay between steps.
 * Weights, moments and gradients lie in a few long tensors, since an operator on each of 170 weights is 170 small launches.
 */
import type { Graph, Tensor } from './graph.ts';
import { abs, add, cast, concat, div, less, mul, reshape, sqrt, sub, sum, where } from './ops.ts';

/** Lengths of the long tensors are multiples of it: sums over them go in two stages, rows of so many first. */
export const ROW = 1024;

export interface AdamWConstants {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Largest L2 norm of all gradients together; Infinity: no clipping. */
  readonly clipNorm: number;
}

/** Weights and what AdamW knows of them, [n] each. */
export interface AdamWGroup {
  readonly weights: Tensor;
  /** Running means of the gradients. */
  readonly means: Tensor;
  /** Running means of their squares. */
  readonly squares: Tensor;
  /** Sums of the gradients of a step's earlier batches, where several make one step. */
  readonly sums?: Tensor | undefined;
}

/** Fields of a batch in a schedule, in this order. */
export const SCHEDULE_FIELDS = 5;

/** A batch's row of a schedule. */
export interface BatchSchedule {
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Its share of the step's gradient; those of a step's batches sum to 1. */
  readonly share: number;
  /** Whether it is the first, or the last, of its step. */
  readonly first: boolean;
  readonly last: boolean;
}

export function scheduleRow({ learningRate, weightDecay, share, first, last }: BatchSchedule): number[] {
  return [learningRate, 1 - learningRate * weightDecay, share, Number(first), Number(last)];
}

/** Corrections of the moments' bias at an optimizer's step, counted from 1: 1 − β1ᵗ and √(1 − β2ᵗ). */
export function biasCorrections(
  { beta1, beta2 }: Pick<AdamWConstants, 'beta1' | 'beta2'>,
  step: number,
): [number, number] {
  return [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
}

export interface AdamWUpdate {
  readonly groups: readonly AdamWGroup[];
  /** L2 norm of the step's gradient so far, before clipping. [1] */
  readonly norm: Tensor;
  /** Whether a step was taken: 1, or 0 before the last batch and where the norm or the loss is not finite. [1] */
  readonly taken: Tensor;
}

/** Above it, or not comparable with it, a number counts as not finite. */
const LARGEST = 3.4e38;

/**
 * A batch's part in a step of AdamW. Before the step's last batch, and where the gradient or the loss is not finite, weights
 * and moments stay as they are.
 * @param gradients of the groups' weights, [n] each
 * @param loss of the batch, [1]
 * @param row `scheduleRow` [5]
 * @param corrections `biasCorrections` [2]
 */
export function adamW(
  groups: readonly AdamWGroup[],
  gradients: readonly Tensor[],
  loss: Tensor,
  row: Tensor,
  corrections: Tensor,
  { beta1, beta2, epsilon, clipNorm }: AdamWConstants,
): AdamWUpdate {
  const { graph } = row;
  const number = (value: number): Tensor => graph.constant(Float32Array.of(value), [1]);
  const [learningRate, decay, share, first, last] = ones(row);
  const [correction1, correction2] = ones(corrections);
  const sums = groups.map((group, i) => {
    if (!group.sums) return gradients[i]!;
    const own = mul(gradients[i]!, share!);
    return where(less(number(0.5), first!), own, add(group.sums, own));
  });
  const squared = sums.map((values) => sumOfSquares(values));
  const norm = sqrt(reshape(sum(concat(squared, 0), [0]), [1]));
  const finite = both(less(norm, number(LARGEST)), less(abs(loss), number(LARGEST)));
  const taken = both(finite, less(number(0.5), last!));
  /** The value for a step that is taken, or the other. */
  const chosen = (step: number | Tensor, none: number): Tensor =>
    where(taken, typeof step === 'number' ? number(step) : step, number(none));
  const keepMean = chosen(beta1, 1);
  const addMean = chosen(1 - Math.fround(beta1), 0);
  const keepSquare = chosen(beta2, 1);
  const addSquare = chosen(1 - Math.fround(beta2), 0);
  const size = chosen(div(learningRate!, correction1!), 0);
  const keep = chosen(decay!, 1);
  const unbias = div(number(1), correction2!);
  const clipped = Number.isFinite(clipNorm)
    ? where(less(number(clipNorm), norm), div(number(clipNorm), add(norm, number(1e-6))), number(1))
    : number(1);
  return {
    norm,
    taken: cast(taken, 'float32'),
    groups: groups.map(({ weights, means, squares, sums: before }, i) => {
      // Not merely times 0: of a number that is not finite that is none either.
      const g = where(finite, mul(sums[i]!, clipped), number(0));
      const m = add(mul(means, keepMean), mul(g, addMean));
      const v = add(mul(squares, keepSquare), mul(mul(g, g), addSquare));
      const denominator = add(mul(sqrt(v), unbias), number(epsilon));
      return {
        weights: sub(mul(weights, keep), div(mul(m, size), denominator)),
        means: m,
        squares: v,
        ...(before && { sums: sums[i]! }),
      };
    }),
  };
}

/** The values of a vector, [1] each. */
function ones(vector: Tensor): readonly Tensor[] {
  const { graph } = vector;
  return Array.from({ length: vector.shape[0] as number }, (_, i) => slice(vector, i, 1, graph));
}

/** Values of a vector from a place on. */
export function slice(vector: Tensor, from: number, count: number, graph: Graph = vector.graph): Tensor {
  if (from === 0 && count === vector.shape[0]) return vector;
  return graph.emit(
    'Slice',
    [vector, graph.integers([from]), graph.integers([from + count])],
    [{ shape: [count] }],
  )[0]!;
}

/** [n] → [1], in two stages: a sum of 10⁷ numbers one after another is not exact in float32. */
function sumOfSquares(values: Tensor): Tensor {
  const rows = reshape(values, [(values.shape[0] as number) / ROW, ROW]);
  return reshape(sum(sum(mul(rows, rows), [1]), [0]), [1]);
}

const both = (a: Tensor, b: Tensor): Tensor =>
  a.graph.emit('And', [a, b], [{ shape: a.shape, dtype: 'bool' }])[0]!;
