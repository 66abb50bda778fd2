/** `whisper-transfer manifest`: manifests from corpora as they are downloaded. */
import { type Command, Option } from 'commander';
import { readCovost, readFleurs } from '../data/corpora.ts';
import { type CorpusClip, writeManifest } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { formatNumber } from '../report/format.ts';

const COVOST_EXAMPLE =
  '\nExample:\n  $ whisper-transfer manifest covost covost_v2.en_de.tsv covost_v2.en_zh-CN.tsv --clips cv-corpus-4/en/clips --output en.tsv';
const FLEURS_EXAMPLE =
  '\nExample:\n  $ whisper-transfer manifest fleurs fleurs --from en,fr --to de,zh --output fleurs.tsv';

const list = (value: string): string[] => value.split(',').map((name) => name.trim());

export function manifestCommand(command: Command): Command {
  const manifest = command.addHelpText('after', COVOST_EXAMPLE + FLEURS_EXAMPLE);
  manifest
    .command('covost')
    .description('CoVoST 2: translations of Common Voice')
    .argument(
      '<tsv...>',
      'covost_v2.en_de.tsv, several of them, or the files of their splits (.train.tsv, .dev.tsv, .test.tsv)',
    )
    .requiredOption('--clips <dir>', "Common Voice's folder of recordings")
    .option('--sentences <tsv>', "Common Voice's validated.tsv: what is said, where the files do not tell")
    .requiredOption('--output <tsv>', 'the manifest')
    .addHelpText('after', COVOST_EXAMPLE)
    .action(async (files: string[], options: { clips: string; sentences?: string; output: string }) => {
      const leftOut = new LeftOut();
      const clips = await readCovost(files, options, leftOut.add);
      await write(options.output, clips, leftOut);
    });
  manifest
    .command('fleurs')
    .description('FLEURS: the same sentences in a hundred languages')
    .argument('<dir>', 'a folder for each language, with its .tsv files and recordings under audio/<set>')
    .requiredOption('--from <languages>', 'languages spoken, such as en,fr, or folders: en_us,fr_fr', list)
    .requiredOption('--to <languages>', 'languages translated into, such as zh or de,fr', list)
    .addOption(
      new Option('--sets <names>', 'which of train, dev, test; default: all that are there').argParser(list),
    )
    .option('--all', 'every recording of a sentence, not only its first')
    .requiredOption('--output <tsv>', 'the manifest')
    .addHelpText('after', FLEURS_EXAMPLE)
    .action(
      async (
        folder: string,
        options: { from: string[]; to: string[]; sets?: string[]; all?: boolean; output: string },
      ) => {
        const leftOut = new LeftOut();
        const clips = await readFleurs(folder, { ...options, all: Boolean(options.all) }, leftOut.add);
        await write(options.output, clips, leftOut);
      },
    );
  return manifest;
}

/** Tells each row that is left out, and counts them. */
class LeftOut {
  count = 0;
  readonly add = (line: string): void => {
    this.count++;
    process.stderr.write(`left out: ${line}\n`);
  };
}

async function write(output: string, clips: readonly CorpusClip[], leftOut: LeftOut): Promise<void> {
  if (clips.length === 0) throw new UserError(`${output}: no row can be used`);
  await writeManifest(output, clips);
  const counts = new Map<string, number>();
  for (const { language, set } of clips) {
    counts.set(`${language}/${set}`, (counts.get(`${language}/${set}`) ?? 0) + 1);
  }
  const told = [...counts].map(([name, count]) => `${name} ${formatNumber(count)}`).join(', ');
  console.log(`${output}: ${told}${leftOut.count > 0 ? `; ${formatNumber(leftOut.count)} left out` : ''}`);
}
