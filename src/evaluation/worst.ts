/** The sentences with the worst scores, with their recordings, for the page. */

import { audioUri } from '../audio/audio-uri.ts';
import { referenceIn } from '../data/clip.ts';
import type { Prediction } from './predictions.ts';
import type { WorstSentence } from './results.ts';
import type { SystemOutput } from './systems.ts';

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
  const answers = systems.map(
    ({ items, predictions }) => new Map(items.map((item, i) => [item, predictions[i]!])),
  );
  const scored = ranked.items.flatMap((item, i) => {
    const score = sentenceError(ranked.predictions[i]!);
    return score === undefined ? [] : [{ item, score }];
  });
  const languages = [...new Set(scored.map(({ item }) => item.clip.language))].sort();
  const worst = languages.flatMap((language) =>
    scored
      .filter(({ item }) => item.clip.language === language)
      .sort((a, b) => b.score - a.score)
      .slice(0, count),
  );
  return Promise.all(
    worst.map(async ({ item }): Promise<WorstSentence> => {
      const about = ranked.predictions[ranked.items.indexOf(item)]!;
      return {
        language: item.clip.language,
        audio: about.audio,
        reference: item.reference,
        sourceText: about.sourceText || referenceIn(item.clip, 'en'),
        hypotheses: systems.flatMap(({ model, prompt }, i) => {
          const answer = answers[i]!.get(item);
          if (answer?.hypothesis === undefined) return [];
          return [{ model, prompt, text: answer.hypothesis, score: answer.chrf ?? answer.wer! }];
        }),
        player: await audioUri(item.clip.audio),
      };
    }),
  );
}

export function rankedBy(systems: readonly SystemOutput[]): SystemOutput {
  const last = systems.at(-1)!.model;
  return systems.find(({ model }) => model === last)!;
}

/** Higher is worse. */
function sentenceError({ chrf, wer }: Prediction): number | undefined {
  return chrf === undefined ? wer : -chrf;
}
