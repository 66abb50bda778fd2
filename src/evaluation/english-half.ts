/** The English texts of a translation English first, scored for themselves. */
import { referenceIn } from '../data/clip.ts';
import type { Prediction } from './predictions.ts';
import { ENGLISH_HALF } from './results.ts';
import { predictedItems, type SystemOutput } from './systems.ts';
import type { Item, Test } from './tasks.ts';

/**
 * The English texts of a system as translations into English, in place of those into the target language; of English speech
 * they are its transcripts. Clips without an English text are left out.
 * @returns undefined for a system that decodes directly
 */
export function englishHalf(output: SystemOutput): SystemOutput | undefined {
  if (output.prompt !== 'english-first') return undefined;
  const items = output.items.flatMap(({ clip }): Item[] => {
    const reference = referenceIn(clip, 'en').trim();
    return reference === '' ? [] : [{ clip, reference }];
  });
  if (items.length === 0) return undefined;
  const test: Test = { name: ENGLISH_HALF, task: 'translate', target: 'en', forgetting: false, items };
  const clips = new Set(items.map(({ clip }) => clip));
  return {
    ...output,
    test,
    items,
    predictions: {
      *[Symbol.iterator](): Generator<Prediction> {
        for (const [{ clip }, prediction] of predictedItems(output)) {
          if (!clips.has(clip)) continue;
          const { english, ...rest } = prediction;
          yield { ...rest, hypothesis: english };
        }
      },
    },
  };
}
