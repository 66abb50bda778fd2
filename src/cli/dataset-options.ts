/** Options of how a data set is read, which `prepare` and the commands that take a data set in place of a manifest share. */
import { type Command, Option } from 'commander';
import type { DatasetOptions } from '../corpora/dataset.ts';
import { nameList, positiveInteger, positiveNumber } from './options.ts';

/** How a data set is read, without languages and sets, which each command has in its own way. */
export type ReadingFlags = Omit<DatasetOptions, 'from' | 'to' | 'sets'>;

const READING: readonly (() => Option)[] = [
  () => new Option('--limit <n>', 'most clips of each language and set').argParser(positiveInteger),
  () => new Option('--min-seconds <s>', 'leave out shorter clips').argParser(positiveNumber),
  () =>
    new Option('--max-seconds <s>', 'leave out longer clips; Whisper hears 30 s').argParser(positiveNumber),
  () => new Option('--one-per-sentence', 'fleurs: only the first recording of each sentence'),
  () => new Option('--clips <dir>', "covost: Common Voice's folder of recordings"),
  () =>
    new Option(
      '--sentences <tsv>',
      "covost: Common Voice's validated.tsv, for transcripts that the tables lack",
    ),
  () =>
    new Option(
      '--columns <map>',
      'table, audiofolder, webdataset: where the columns of the manifest come from, such as audio=file,text=sentence,text_de=translation.de,lang=:en (:text is the same for all rows)',
    ).argParser(nameList),
];

export function addReadingOptions(command: Command): Command {
  for (const option of READING) command.addOption(option());
  return command;
}

/** Adds the same, and the layout, to a command whose help names them together. */
export function addDatasetOptions(command: Command): Command {
  const layout = new Option(
    '--layout <corpus>',
    'layout of the data set; default: as its files, or the hub, say',
  );
  for (const option of [layout, ...READING.map((make) => make())]) command.addOption(option.hideHelp());
  return command.addHelpText('after', HELP);
}

const HELP = `
In place of a manifest stands a data set, too: one of the hub (google/fleurs), or a folder, an
archive or a Parquet table in a layout that \`prepare\` knows. Its options are those of \`prepare\`:
--limit, --min-seconds, --max-seconds, --one-per-sentence, --clips, --sentences, --columns; --layout
names the layout where the files do not say it.`;

/** Parts a command's flags into those about its data set, and the others. */
export function partedFlags<F extends ReadingFlags>(flags: F) {
  const { layout, limit, minSeconds, maxSeconds, onePerSentence, clips, sentences, columns, ...others } =
    flags;
  const reading: ReadingFlags = {
    ...{ layout, limit, minSeconds, maxSeconds, onePerSentence, clips, sentences, columns },
  };
  return { reading, others };
}
