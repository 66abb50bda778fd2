/** Interpolated modified Kneser–Ney smoothing, as in KenLM's lmplz. */
import { UserError } from '../errors.ts';
import type { NgramCounter, OrderCounts } from './count.ts';
import { START_ID } from './count.ts';

/** Discounts of n-grams with count 1, 2, and 3 or more. */
export type Discounts = readonly [number, number, number];

/** Discounts of `lmplz --discount_fallback`, for counts that do not allow an estimate. */
const FALLBACK: Discounts = [0.5, 1, 1.5];

export interface SmoothedOrder {
  readonly discounts: Discounts;
  /** The text is too small or too regular to estimate discounts from. */
  readonly fallback: boolean;
  /** By n-gram. */
  readonly probability: Float64Array;
  /** Back-off weight by n-gram: the probability left for unseen words; 1 where nothing follows it. */
  readonly backoff: Float64Array;
}

/**
 * Chen and Goodman (1998), section 3.4: each count is discounted by an amount that depends on it (their equation 26),
 * and the discounted mass goes to the probability of the next lower order; the lowest is interpolated with the uniform
 * distribution over all words, `<unk>` and `</s>` included, `<s>` not. Where equation 26 has no answer (no n-gram of
 * some small count, or a discount out of range) fixed discounts stand in.
 *
 * @throws UserError where nothing was counted
 */
export function smooth({ orders, words, sentences }: NgramCounter): SmoothedOrder[] {
  if (sentences === 0) throw new UserError('found no sentence; expected at least one');
  const smoothed: SmoothedOrder[] = [];
  for (const counts of orders) {
    const below = smoothed.at(-1);
    const size = counts.count.length;
    const estimated = estimateDiscounts(counts);
    const discounts = estimated ?? FALLBACK;
    const left = below?.backoff ?? new Float64Array(1);
    const total = new Float64Array(left.length);
    const [count, context, suffix] = [counts.count.values, counts.context.values, counts.suffix.values];
    left.fill(0);
    for (let i = 0; i < size; i++) {
      total[context[i]!]! += count[i]!;
      left[context[i]!]! += discountOf(count[i]!, discounts);
    }
    for (let i = 0; i < left.length; i++) left[i] = total[i] === 0 ? 1 : left[i]! / total[i]!;
    const probability = new Float64Array(size);
    const uniform = 1 / (words.length - 1);
    for (let i = 0; i < size; i++) {
      const own = (count[i]! - discountOf(count[i]!, discounts)) / total[context[i]!]!;
      probability[i] = own + left[context[i]!]! * (below ? below.probability[suffix[i]!]! : uniform);
    }
    // lmplz's convention: <s> is never predicted.
    if (!below) probability[START_ID] = 1;
    smoothed.push({
      discounts,
      fallback: !estimated,
      probability,
      backoff: new Float64Array(size).fill(1),
    });
  }
  return smoothed;
}

function discountOf(count: number, discounts: Discounts): number {
  return count === 0 ? 0 : discounts[Math.min(count, 3) - 1]!;
}

function estimateDiscounts({ count }: OrderCounts): Discounts | undefined {
  /** Number of n-grams with the count 1, 2, 3, 4. */
  const n = [0, 0, 0, 0, 0];
  for (const value of count.values) if (value < n.length) n[value]!++;
  const y = n[1]! / (n[1]! + 2 * n[2]!);
  const discounts = [1, 2, 3].map((j) => j - ((j + 1) * y * n[j + 1]!) / n[j]!);
  const usable = discounts.every((discount, i) => n[i + 1]! > 0 && discount > 0 && discount <= i + 1);
  return usable ? (discounts as unknown as Discounts) : undefined;
}
