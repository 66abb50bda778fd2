/** `whisper-transfer analyse`: do languages share a space in this encoder, where, and why? */
import { type Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import { lockFolder } from '../files/lock.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { addRenamed, modelOption, positiveInteger, threadsOption, windowOption } from './options.ts';
import { showWork } from './show-work.ts';

interface Options {
  model: string;
  set?: string;
  metrics: string;
  sentences?: number;
  layers?: true | number[];
  layerMetrics: string;
  phonetic?: boolean;
  pronunciations: [string, string][];
  project?: boolean;
  pair: [string, string][];
  neighbours: string[];
  earlyExit?: true | number[];
  earlyExitClips: number;
  window: WindowMode;
  cache: string;
  output: string;
}

export function analyseCommand(command: Command): Command {
  command
    .argument('<manifest>', 'TSV, CSV or JSONL manifest; clips with the same "key" are the same sentence')
    .addOption(modelOption())
    .addOption(threadsOption())
    .option('--set <name>', 'use only this set of the manifest')
    .option(
      '--metrics <list>',
      'similarity metrics of the retrieval, as in `retrieve`',
      'seqsim,seqsim+csls,seqsim+centre+csls,mean-pool,length',
    )
    .option('--sentences <n>', 'use only n of the sentences that all languages share', positiveInteger)
    .option('--layers [list]', 'retrieval at each encoder layer, or at these, such as 0,3,6', layerList)
    .option('--layer-metrics <list>', 'similarity metrics for --layers', 'seqsim,mean-pool')
    .option(
      '--phonetic',
      'retrieval without sentences whose translations share words that look or sound alike',
    )
    .addOption(
      new Option(
        '--pronunciations <lang=file>',
        'for --phonetic: pronunciation dictionary of a language (ipa-dict, WikiPron); repeatable',
      )
        .argParser((text: string, all: [string, string][]): [string, string][] => [
          ...all,
          fileOfLanguage(text),
        ])
        .default([], 'none'),
    )
    .option('--project', 'plot all utterances in a plane, by principal components and UMAP')
    .addOption(
      new Option(
        '--pair <from:key,to:key>',
        'align two clips by their frames, such as ca:algebra_by,en:algebra_by; repeatable',
      )
        .argParser((text: string, all: [string, string][]): [string, string][] => [...all, pairOf(text)])
        .default([], 'none'),
    )
    .addOption(
      new Option(
        '--neighbours <lang:key>',
        'list the ten nearest clips of each other language to this one, such as ca:algebra_by; repeatable',
      )
        .argParser((text: string, all: string[]) => [...all, text])
        .default([], 'none'),
    )
    .option(
      '--early-exit [list]',
      'word error rates of transcripts from each encoder layer, or from these',
      layerList,
    )
    .option('--early-exit-clips <n>', 'clips of each language for --early-exit', positiveInteger, 20)
    .addOption(windowOption())
    .option('--cache <dir>', 'folder where encoder outputs are kept between runs', 'out/cache');
  const output = new Option('--output <dir>', 'folder for report.html and the figures').default(
    'out/analysis',
  );
  return addRenamed(command, output, '--output-dir')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer analyse samples/manifest.tsv --set intro --sentences 40 --layers --phonetic ' +
        '--project --pair ca:algebra_by,en:algebra_by --neighbours ca:algebra_by',
    )
    .action(run);
}

async function run(manifest: string, options: Options): Promise<void> {
  const { analyse } = await import('../studies/analysis/analyse.ts');
  const { writeAnalysis } = await import('../studies/analysis/write.ts');
  const { metrics, layerMetrics, pair, output, ...rest } = options;
  const work = showWork();
  const { page, figures, count } = await lockFolder(
    output,
    async () => {
      const given = { ...rest, methods: metrics, layerMethods: layerMetrics, pairs: pair };
      return writeAnalysis(output, await analyse({ ...given, ...work, manifest }));
    },
    work,
  );
  console.log(`${page}: ${count} figures, each also in ${figures} as .svg and .csv`);
}

function pairOf(text: string): [string, string] {
  const [from, to, ...more] = text.split(',');
  if (!from || !to || more.length > 0) {
    throw new UserError(`found the pair "${text}"; expected two clips, e.g. ca:algebra_by,en:algebra_by`);
  }
  return [from, to];
}

function fileOfLanguage(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) {
    throw new UserError(
      `found the pronunciations "${text}"; expected a language and a file, e.g. fr=fr_FR.tsv`,
    );
  }
  return [text.slice(0, at), text.slice(at + 1)];
}

function layerList(text: string): number[] {
  const layers = text.split(',').map(Number);
  if (!layers.every((layer) => Number.isSafeInteger(layer) && layer >= 0)) {
    throw new UserError(`found the layers "${text}"; expected whole numbers such as 0,3,6`);
  }
  return layers;
}
