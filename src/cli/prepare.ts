/** `whisper-transfer prepare`: the manifest of a corpus as it is published. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { CORPORA, corpusNamed } from '../corpora/corpora.ts';
import type { Corpus } from '../corpora/corpus.ts';
import { checkOwnOptions, corpusFolder, corpusOf } from '../corpora/dataset.ts';
import { describePrepared, type PrepareOptions, prepareCorpus } from '../corpora/prepare.ts';
import { UserError } from '../errors.ts';
import { checkWritable } from '../files/write-whole.ts';
import { isHubName } from '../hub/names.ts';
import { addReadingOptions } from './dataset-options.ts';
import { nameList } from './options.ts';
import { showWork } from './show-work.ts';

export function prepareCommand(command: Command): Command {
  const width = Math.max(...CORPORA.map(({ name }) => name.length)); // few: corpora
  const corpora = CORPORA.map(
    ({ name, about, source }) =>
      `  ${name.padEnd(width)}  ${about}\n  ${' '.repeat(width)}  SOURCE: ${source}`,
  );
  command
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
    );
  return addReadingOptions(command)
    .requiredOption('--output <tsv>', 'the manifest')
    .addHelpText(
      'after',
      `\nCorpora:\n${corpora.join('\n')}\n\nExamples:\n${CORPORA.map(({ example }) => `  $ whisper-transfer ${example}`).join('\n')}`,
    )
    .action(async (first: string, rest: string[], options: PrepareOptions & { output: string }) => {
      const { corpus, sources } = await namedCorpus(first, rest);
      checkOwnOptions(corpus, options);
      if (!/\.tsv$/i.test(options.output) && !options.output.startsWith('/dev/')) {
        throw new UserError(`--output: found "${options.output}"; expected a name that ends in .tsv`);
      }
      await checkWritable(options.output);
      const work = showWork();
      const folders: string[] = [];
      for (const source of sources) folders.push((await corpusFolder(corpus, source, options, work)).folder);
      const prepared = await prepareCorpus(corpus, folders, options.output, options, work);
      work.end();
      console.log(`${options.output}: ${describePrepared(prepared)}`);
    });
}

/** The corpus that is named, or that the source is. */
async function namedCorpus(first: string, rest: string[]): Promise<{ corpus: Corpus; sources: string[] }> {
  const named = corpusNamed(first);
  if (named && rest.length > 0) return { corpus: named, sources: rest };
  if (named && !existsSync(first)) {
    throw new UserError(`${first}: found no source; expected ${named.source}, as in: ${named.example}`);
  }
  const corpus = await corpusOf(first);
  if (!isHubName(first)) process.stderr.write(`${first}: read as ${corpus.name}\n`);
  return { corpus, sources: [first, ...rest] };
}
