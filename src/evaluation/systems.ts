/** Sentence counts by language and metric from a model's predictions. */
import { measuresOf } from './measures.ts';
import type { Prediction } from './predictions.ts';
import type { SentenceCounts, System } from './scores.ts';
import type { Item, PromptName, Test } from './tasks.ts';

/** Predictions of a model with one prompt. */
export interface SystemOutput {
  readonly test: Test;
  readonly model: string;
  readonly prompt: PromptName;
  /** Languages for which the prompt is not defined, with the reason. */
  readonly notDefined: ReadonlyMap<string, string>;
  readonly items: readonly Item[];
  /** One for each item. */
  readonly predictions: readonly Prediction[];
}

/** Scores the predictions of each system. @param comet scores by system and item, where there are any */
export function systemsOf(
  outputs: readonly SystemOutput[],
  comet?: ReadonlyMap<SystemOutput, (places: readonly number[]) => SentenceCounts>,
): System[] {
  return outputs.map((of): System => {
    const { test, model, prompt, notDefined, items, predictions } = of;
    const counts = new Map<string, ReadonlyMap<string, SentenceCounts>>();
    const clips = new Map<string, readonly string[]>();
    for (const language of new Set(items.map(({ clip }) => clip.language))) {
      const places = [...items.keys()].filter(
        (i) => items[i]!.clip.language === language && predictions[i]!.hypothesis !== undefined,
      );
      clips.set(
        language,
        places.map((i) => predictions[i]!.audio),
      );
      if (places.length === 0) continue;
      const counted = measuresOf(test, language).map(
        ({ name, metric, prepare, signature }): [string, SentenceCounts] => {
          const hypotheses = places.map((i) => prepare(predictions[i]!.hypothesis!));
          const references = places.map((i) => prepare(items[i]!.reference));
          return [name, { metric, signature, statistics: metric.statistics(hypotheses, [references]) }];
        },
      );
      const given = comet?.get(of)?.(places);
      counts.set(language, new Map([...counted, ...(given ? [['comet', given] as const] : [])]));
    }
    return { model, prompt, clips, counts, notDefined };
  });
}
