/** The sentences with the worst scores, with their recordings, for the page. */

import { audioUri } from '../audio/audio-uri.ts';
import { referenceIn } from '../data/clip.ts';
import type { Prediction } from './predictions.ts';
import type { WorstSentence } from './results.ts';
import { predictedItems, type SystemOutput } from './systems.ts';
import type { Item } from './tasks.ts';

/**
 * Sentences with the worst chrF or WER of the last model with its first prompt: the first model is usually the untrained
 * one.
 * @param count of each language
 */
export async function worstSentences(
  systems: readonly SystemOutput[],
  count: number,
): Promise<WorstSentence[]> {
  const ranked = rankedBy(systems);
  const chosen = worstItems(ranked, count);
  const predictions = systems.map((system) => predictionsOf(system, new Set(chosen)));
  const rankedPredictions = predictions[systems.indexOf(ranked)]!;
  return Promise.all(
    chosen.map(async (item): Promise<WorstSentence> => {
      const about = rankedPredictions.get(item)!;
      return {
        language: item.clip.language,
        audio: about.audio,
        reference: item.reference,
        sourceText: about.sourceText || referenceIn(item.clip, 'en'),
        hypotheses: systems.flatMap(({ model, prompt }, i) => {
          const answer = predictions[i]!.get(item);
          if (answer?.hypothesis === undefined) return [];
          return [{ model, prompt, text: answer.hypothesis, score: answer.chrf ?? answer.wer! }];
        }),
        player: await audioUri(item.clip.audio),
      };
    }),
  );
}

/** @param count of each language */
function worstItems(system: SystemOutput, count: number): Item[] {
  const scored = new Map<string, { item: Item; score: number }[]>();
  for (const [item, prediction] of predictedItems(system)) {
    const score = sentenceError(prediction);
    if (score === undefined) continue;
    const { language } = item.clip;
    const own = scored.get(language) ?? [];
    scored.set(language, own);
    own.push({ item, score });
  }
  return [...scored.keys()].sort().flatMap((language) =>
    scored
      .get(language)!
      .sort((a, b) => b.score - a.score)
      .slice(0, count)
      .map(({ item }) => item),
  );
}

function predictionsOf(system: SystemOutput, some: ReadonlySet<Item>): Map<Item, Prediction> {
  const found = new Map<Item, Prediction>();
  for (const [item, prediction] of predictedItems(system)) if (some.has(item)) found.set(item, prediction);
  return found;
}

function rankedBy(systems: readonly SystemOutput[]): SystemOutput {
  const last = systems.at(-1)!.model;
  return systems.find(({ model }) => model === last)!;
}

/** Higher is worse. */
function sentenceError({ chrf, wer }: Prediction): number | undefined {
  return chrf === undefined ? wer : -chrf;
}
