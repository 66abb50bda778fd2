/** Sentence counts by language and metric from a model's predictions. */
import { takeTurn } from '../abort.ts';
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
export async function systemsOf(
  outputs: readonly SystemOutput[],
  signal?: AbortSignal | undefined,
  comet?: ReadonlyMap<SystemOutput, (places: readonly number[]) => SentenceCounts>,
): Promise<System[]> {
  const systems: System[] = [];
  for (const of of outputs) {
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
      const counted = new Map<string, SentenceCounts>();
      for (const { name, metric, prepare, signature } of measuresOf(test, language)) {
        const hypotheses = places.map((i) => prepare(predictions[i]!.hypothesis!));
        const references = places.map((i) => prepare(items[i]!.reference));
        counted.set(name, { metric, signature, statistics: metric.statistics(hypotheses, [references]) });
        await takeTurn(signal);
      }
      const given = comet?.get(of)?.(places);
      if (given) counted.set('comet', given);
      counts.set(language, counted);
    }
    systems.push({ model, prompt, clips, counts, notDefined });
  }
  return systems;
}
