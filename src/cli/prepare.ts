/** `whisper-transfer prepare`: the manifest of a corpus as it is published. */
import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { CORPORA, corpusNamed, recogniseCorpus } from '../corpora/corpora.ts';
import type { Corpus, OwnOption } from '../corpora/corpus.ts';
import { corpusFolder, hubCorpus } from '../corpora/hub-corpus.ts';
import { type PrepareOptions, prepareCorpus } from '../corpora/prepare.ts';
import { UserError } from '../errors.ts';
import { checkWritable } from '../files/write-whole.ts';
import { formatDuration, formatNumber } from '../report/format.ts';
import { nameList, positiveInteger, positiveNumber } from './options.ts';
import { showWork } from './show-work.ts';

/** The flags of the options that only some corpora have. */
const FLAGS: Readonly<Record<OwnOption, string>> = {
  clips: '--clips',
  sentences: '--sentences',
  onePerSentence: '--one-per-sentence',
  columns: '--columns',
};

export function prepareCommand(command: Command): Command {
  const width = Math.max(...CORPORA.map(({ name }) => name.length)); // few: corpora
  const corpora = CORPORA.map(
    ({ name, about, source }) =>
      `  ${name.padEnd(width)}  ${about}\n  ${' '.repeat(width)}  SOURCE: ${source}`,
  );
  return command
    .argument('<corpus>', 'name of a corpus (below); may be missing where its files say which it is')
    .argument(
      '[source...]',
      'folder or files of the corpus, or its data set on the hub, such as google/fleurs',
    )
    .option('--from <languages>', 'spoken languages, such as en,fr; default: all that there are', nameList)
    .option(
      '--to <languages>',
      'languages of the translations, such as zh or de,fr; default: all, of FLEURS none',
      nameList,
    )
    .option(
      '--sets <names>',
      'such as train,dev; default: train, dev and test, or all where the corpus has others',
      nameList,
    )
    .addOption(new Option('--limit <n>', 'most clips of each language and set').argParser(positiveInteger))
    .addOption(new Option('--min-seconds <s>', 'leave out shorter clips').argParser(positiveNumber))
    .addOption(
      new Option('--max-seconds <s>', 'leave out longer clips; Whisper hears 30 s').argParser(positiveNumber),
    )
    .option('--one-per-sentence', 'fleurs: only the first recording of each sentence')
    .option('--clips <dir>', "covost: Common Voice's folder of recordings")
    .option('--sentences <tsv>', "covost: Common Voice's validated.tsv, for transcripts that the tables lack")
    .option(
      '--columns <map>',
      'table, audiofolder, webdataset: where the columns of the manifest come from, such as audio=file,text=sentence,text_de=translation.de,lang=:en (:text is the same for all rows)',
      nameList,
    )
    .requiredOption('--output <tsv>', 'the manifest')
    .addHelpText(
      'after',
      `\nCorpora:\n${corpora.join('\n')}\n\nExamples:\n${CORPORA.map(({ example }) => `  $ whisper-transfer ${example}`).join('\n')}`,
    )
    .action(async (first: string, rest: string[], options: PrepareOptions & { output: string }) => {
      const { corpus, sources } = await namedCorpus(first, rest);
      checkOptions(corpus, options);
      if (!/\.tsv$/i.test(options.output) && !options.output.startsWith('/dev/')) {
        throw new UserError(`--output: found "${options.output}"; expected a name that ends in .tsv`);
      }
      await checkWritable(options.output);
      const work = showWork();
      const folders: string[] = [];
      for (const source of sources) folders.push(await corpusFolder(corpus, source, options, work));
      const { clips, seconds, skipped, leftOut } = await prepareCorpus(
        corpus,
        folders,
        options.output,
        options,
        work,
      );
      work.end();
      const listed = (counts: ReadonlyMap<string, number>): string =>
        [...counts].map(([name, count]) => `${formatNumber(count)} ${name}`).join(', ');
      const long = seconds > 0 ? ` (${formatDuration(seconds)} of speech)` : '';
      const lines = [
        `${options.output}: ${listed(clips)}${long}`,
        leftOut.size > 0 && `left out ${listed(leftOut)}`,
        skipped.size > 0 && `skipped ${listed(skipped)}`,
      ];
      console.log(lines.filter(Boolean).join('; '));
    });
}

/** The corpus that is named, or that the source is. */
async function namedCorpus(first: string, rest: string[]): Promise<{ corpus: Corpus; sources: string[] }> {
  const named = corpusNamed(first);
  if (named && rest.length > 0) return { corpus: named, sources: rest };
  const published = named ? undefined : hubCorpus(first);
  if (published) return { corpus: published, sources: [first, ...rest] };
  if (named && !existsSync(first)) {
    throw new UserError(`${first}: found no source; expected ${named.source}, as in: ${named.example}`);
  }
  if (!existsSync(first)) {
    throw new UserError(
      `${first}: found neither a corpus nor a file of this name; expected one of ${CORPORA.map(({ name }) => name).join(', ')}, a folder or file, or a data set of the hub, such as google/fleurs`,
    );
  }
  const corpus = await recogniseCorpus(first);
  process.stderr.write(`${first}: read as ${corpus.name}\n`);
  return { corpus, sources: [first, ...rest] };
}

function checkOptions(corpus: Corpus, options: PrepareOptions): void {
  for (const [name, flag] of Object.entries(FLAGS) as [OwnOption, string][]) {
    if (options[name] === undefined || corpus.options.includes(name)) continue;
    const others = CORPORA.filter((other) => other.options.includes(name)).map((other) => other.name);
    throw new UserError(
      `${flag}: found it with ${corpus.name}; expected it with ${others.join(' or ')} only`,
    );
  }
}
