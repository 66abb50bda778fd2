/** COMET beside the other scores: texts for `comet-score`, and the scores that it computed. */
import { join } from 'node:path';
import { referenceIn } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { inPieces, writeWhole } from '../files/write-whole.ts';
import { comet, cometScores } from '../metrics/comet.ts';
import { sentenceTable } from '../metrics/sentence-table.ts';
import type { SentenceCounts } from './scores.ts';
import { predictedItems, type SystemOutput } from './systems.ts';
import type { Item } from './tasks.ts';

/** Output of `comet-score` for the files below. */
export interface ReadComet {
  readonly file: string;
  readonly text: string;
}

/**
 * Writes `source.txt`, `reference.txt` and `<model>.<prompt>.txt` for each system: a clip a line, the same in all; empty
 * where a system has no prediction. Recognition has none.
 * @param folder where the files go
 * @returns with `given`: COMET's counts of some of a system's items
 * @throws UserError where scores of a system are missing
 */
export async function cometFiles(
  systems: readonly SystemOutput[],
  folder: string,
  given: ReadComet | undefined,
): Promise<Map<SystemOutput, (places: readonly number[]) => SentenceCounts> | undefined> {
  const translation = systems[0]?.test.task === 'translate';
  if (!translation) {
    if (given)
      throw new UserError(`--comet ${given.file}: expected with translation, not with --task transcribe`);
    return undefined;
  }
  const answered = new Set<Item>();
  for (const system of systems) for (const item of answersOf(system).keys()) answered.add(item);
  const items = systems[0]!.test.items.filter((item) => answered.has(item));
  const write = (name: string, text: (item: Item) => string): Promise<void> =>
    writeWhole(
      join(folder, name),
      inPieces(items, (item) => `${text(item).replace(/\s+/g, ' ').trim()}\n`),
    );
  await write('source.txt', ({ clip }) => clip.text || referenceIn(clip, 'en'));
  await write('reference.txt', ({ reference }) => reference);
  for (const system of systems) {
    const answers = answersOf(system);
    await write(fileOf(system), (item) => answers.get(item) ?? '');
  }
  if (!given) return undefined;

  const line = new Map(items.map((item, i) => [item, i]));
  return new Map(
    systems.map((system) => {
      const name = fileOf(system);
      if (systems.length > 1 && !given.text.includes(name)) {
        throw new UserError(`${given.file}: found no scores of ${name}; expected those of all of ${folder}`);
      }
      const scores = cometScores(given.text, given.file, name, items.length);
      const counted = (places: readonly number[]): SentenceCounts => {
        const metric = comet(places.map((i) => scores[line.get(system.items[i]!)!]!));
        const statistics = sentenceTable(metric.statistics([], []), places.length);
        return { metric, signature: metric.signature(1), statistics };
      };
      return [system, counted];
    }),
  );
}

function answersOf(system: SystemOutput): Map<Item, string> {
  const answers = new Map<Item, string>();
  for (const [item, { hypothesis }] of predictedItems(system))
    if (hypothesis !== undefined) answers.set(item, hypothesis);
  return answers;
}

/** A model's name may hold slashes. */
const fileOf = ({ model, prompt }: SystemOutput): string => `${model.replaceAll('/', '-')}.${prompt}.txt`;
