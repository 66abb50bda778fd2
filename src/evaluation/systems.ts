/** Sentence counts by language and metric from a model's predictions. */
import { takeTurn } from '../abort.ts';
import type { Statistics } from '../metrics/corpus.ts';
import { sentenceTable } from '../metrics/sentence-table.ts';
import { type Measure, measuresOf } from './measures.ts';
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
  /** One for each item; read from the file of predictions as they are iterated over. */
  readonly predictions: Iterable<Prediction>;
}

/** Each item with its prediction. */
export function* predictedItems({ items, predictions }: SystemOutput): Generator<[Item, Prediction]> {
  let i = 0;
  for (const prediction of predictions) yield [items[i++]!, prediction];
}

/** Texts in one language. */
interface Texts {
  /** Places among the system's items. */
  readonly places: number[];
  readonly hypotheses: string[];
}

/** Sentences whose counts are in memory as rows. */
const SENTENCES_AT_ONCE = 1024;

/** Scores the predictions of each system. @param comet scores by system and item, where there are any */
export async function systemsOf(
  outputs: readonly SystemOutput[],
  comet?: ReadonlyMap<SystemOutput, (places: readonly number[]) => SentenceCounts>,
): Promise<System[]> {
  const systems: System[] = [];
  for (const of of outputs) {
    const { test, model, prompt, notDefined, items } = of;
    const counts = new Map<string, ReadonlyMap<string, SentenceCounts>>();
    const clips = new Map<string, readonly string[]>();
    for (const [language, { places, hypotheses }] of textsOf(of)) {
      const some = places.map((i) => items[i]!);
      clips.set(
        language,
        some.map(({ clip }) => clip.audio),
      );
      if (places.length === 0) continue;
      const references = some.map(({ reference }) => reference);
      const counted = new Map<string, SentenceCounts>();
      for (const measure of measuresOf(test, language)) {
        await takeTurn();
        const statistics = sentenceTable(countsOf(measure, hypotheses, references), hypotheses.length);
        counted.set(measure.name, { ...measure, statistics });
      }
      const given = comet?.get(of)?.(places);
      if (given) counted.set('comet', given);
      counts.set(language, counted);
    }
    systems.push({ model, prompt, clips, counts, notDefined });
  }
  return systems;
}

function textsOf(output: SystemOutput): Map<string, Texts> {
  const found = new Map<string, Texts>();
  let i = 0;
  for (const [{ clip }, { hypothesis }] of predictedItems(output)) {
    const { language } = clip;
    const texts = found.get(language) ?? { places: [], hypotheses: [] };
    found.set(language, texts);
    if (hypothesis !== undefined) {
      texts.places.push(i);
      texts.hypotheses.push(hypothesis);
    }
    i++;
  }
  return found;
}

/** Counts of each sentence. */
function* countsOf(
  { metric, prepare }: Measure,
  hypotheses: readonly string[],
  references: readonly string[],
): Generator<Statistics> {
  for (let start = 0; start < hypotheses.length; start += SENTENCES_AT_ONCE) {
    const [some, right] = [hypotheses, references].map((texts) =>
      texts.slice(start, start + SENTENCES_AT_ONCE).map(prepare),
    ) as [string[], string[]];
    yield* metric.statistics(some, [right]);
  }
}
