/**
 * Language-weighted cross-entropy (Piñeiro-Martín et al. 2024, "Weighted Cross-entropy for Low-Resource Languages in
 * Multilingual Speech Recognition"): Σ w(language) · CE, with weights that change linearly during training.
 */
import { float32 } from '../backend/runtime.ts';
import type { Objective, StepContext } from './objective.ts';

export interface LanguageWeight {
  /** Weight at the first step. */
  readonly from: number;
  /** Weight at the last step. */
  readonly to: number;
}

/** The objective with each position's share multiplied by the weight of its clip's language; 1 for languages not named. */
export function languageWeighted(
  objective: Objective,
  languages: Readonly<Record<string, LanguageWeight>>,
): Objective {
  return {
    ...objective,
    feeds: async (moment) => {
      const given = await objective.feeds?.(moment);
      const { data, shape } = given?.weights ?? moment.feeds.weights!;
      const weightOf = moment.examples.map(({ source }) => {
        const weight = source && languages[source.language];
        return weight ? scheduled(weight, moment) : 1;
      });
      const tokens = moment.feeds.tokens!.shape[1]!;
      const rows = moment.feeds.rows!.data;
      const weighted = Float32Array.from(
        data as Float32Array,
        (share, i) => share * weightOf[Math.floor(Number(rows[i]) / tokens)]!,
      );
      return { ...given, weights: float32(weighted, shape) };
    },
  };
}

function scheduled({ from, to }: LanguageWeight, { step, steps }: StepContext): number {
  return from + ((to - from) * (step - 1)) / Math.max(1, steps - 1);
}
