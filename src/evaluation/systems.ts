/** From a model's answers to counts by language and metric. */
import { measuresOf } from './measures.ts';
import type { Prediction } from './predictions.ts';
import type { Counted, System } from './scores.ts';
import type { Item, PromptName, Test } from './tasks.ts';

/** A model with a prompt, and what came of it. */
export interface SystemOutput {
  readonly test: Test;
  readonly model: string;
  readonly prompt: PromptName;
  /** Languages that the prompt cannot ask about, and why. */
  readonly notDefined: ReadonlyMap<string, string>;
  readonly items: readonly Item[];
  /** One for each item. */
  readonly predictions: readonly Prediction[];
}

/** @param comet scores by system and item, where there are any */
export function systemsOf(
  asked: readonly SystemOutput[],
  comet?: ReadonlyMap<SystemOutput, (places: readonly number[]) => Counted>,
): System[] {
  return asked.map((of): System => {
    const { test, model, prompt, notDefined, items, predictions } = of;
    const counts = new Map<string, ReadonlyMap<string, Counted>>();
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
        ({ name, metric, prepare, signature }): [string, Counted] => {
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
