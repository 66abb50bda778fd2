/** `whisper-transfer manifest`: manifests of downloaded corpora. */
import { type Command, Option } from 'commander';
import { abortable } from '../abort.ts';
import { readCovost, readFleurs } from '../data/corpora.ts';
import { type CorpusClip, writeManifest } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { checkWritable } from '../files/write-whole.ts';
import { formatNumber } from '../report/format.ts';
import { showWork } from './show-work.ts';

const COVOST_EXAMPLE =
  '  $ whisper-transfer manifest covost covost_v2.en_de.tsv covost_v2.en_zh-CN.tsv --clips cv-corpus-4/en/clips --output en.tsv';
const FLEURS_EXAMPLE =
  '  $ whisper-transfer manifest fleurs fleurs --from en,fr --to de,zh --output fleurs.tsv';

const list = (value: string): string[] => value.split(',').map((name) => name.trim());

export function manifestCommand(command: Command): Command {
  const manifest = command.addHelpText('after', `\nExamples:\n${COVOST_EXAMPLE}\n${FLEURS_EXAMPLE}`);
  manifest
    .command('covost')
    .description('write a manifest of CoVoST 2: translations of Common Voice')
    .argument(
      '<tsv...>',
      'covost_v2.en_de.tsv; several, or the files of their splits (.train.tsv, .dev.tsv, .test.tsv)',
    )
    .requiredOption('--clips <dir>', "Common Voice's folder of recordings")
    .option('--sentences <tsv>', "Common Voice's validated.tsv, for transcripts that the files lack")
    .requiredOption('--output <tsv>', 'the manifest')
    .addHelpText('after', `\nExample:\n${COVOST_EXAMPLE}`)
    .action(async (files: string[], options: { clips: string; sentences?: string; output: string }) => {
      await checkWritable(options.output);
      const skipped = new SkippedRows();
      const clips = await abortable(showWork().signal, () => readCovost(files, options, skipped.add));
      await write(options.output, clips, skipped);
    });
  manifest
    .command('fleurs')
    .description('write a manifest of FLEURS: the same sentences in a hundred languages')
    .argument(
      '<dir>',
      'folder of the corpus, with a folder for each language: .tsv files, and recordings under audio/<set>',
    )
    .requiredOption('--from <languages>', 'spoken languages, such as en,fr, or folders: en_us,fr_fr', list)
    .requiredOption('--to <languages>', 'languages of the translations, such as zh or de,fr', list)
    .addOption(new Option('--sets <names>', 'any of train,dev,test; default: all that exist').argParser(list))
    .option('--all', 'use every recording of a sentence, not only its first')
    .requiredOption('--output <tsv>', 'the manifest')
    .addHelpText('after', `\nExample:\n${FLEURS_EXAMPLE}`)
    .action(
      async (
        folder: string,
        options: { from: string[]; to: string[]; sets?: string[]; all?: boolean; output: string },
      ) => {
        await checkWritable(options.output);
        const skipped = new SkippedRows();
        const all = Boolean(options.all);
        const clips = await abortable(showWork().signal, () =>
          readFleurs(folder, { ...options, all }, skipped.add),
        );
        await write(options.output, clips, skipped);
      },
    );
  return manifest;
}

/** Reports each skipped row, and counts them. */
class SkippedRows {
  count = 0;
  readonly add = (line: string): void => {
    this.count++;
    process.stderr.write(`skipped: ${line}\n`);
  };
}

async function write(output: string, clips: readonly CorpusClip[], skipped: SkippedRows): Promise<void> {
  if (clips.length === 0) throw new UserError(`${output}: no row can be used`);
  await writeManifest(output, clips);
  const counts = new Map<string, number>();
  for (const { language, set } of clips) {
    counts.set(`${language}/${set}`, (counts.get(`${language}/${set}`) ?? 0) + 1);
  }
  const summary = [...counts].map(([name, count]) => `${name} ${formatNumber(count)}`).join(', ');
  console.log(`${output}: ${summary}${skipped.count > 0 ? `; ${formatNumber(skipped.count)} skipped` : ''}`);
}
