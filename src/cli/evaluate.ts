/** `whisper-transfer evaluate`: scores of models on a test set, with intervals, tests and tables. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { EvaluationRow } from '../evaluation/results.ts';
import type { CacheDtype } from '../features/encoded-record.ts';
import { scoresJson } from '../metrics/score-table.ts';
import { PAIRED_TESTS, type PairedTest } from '../metrics/significance.ts';
import type { BleuTokenizer } from '../metrics/tokenizers.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { PROMPT_KINDS, type PromptKind } from '../whisper/prompts.ts';
import type { Task } from '../whisper/tokens.ts';
import { addClusterOptions, type ClusterFlags, clusterOf } from './cluster-options.ts';
import { addDatasetOptions, partedFlags, type ReadingFlags } from './dataset-options.ts';
import { addDecodingOptions, type DecodingFlags, decodingChoice } from './decoding-options.ts';
import {
  addCacheOptions,
  addRenamed,
  deviceOption,
  failedFiles,
  ofModels,
  positiveInteger,
  spmModelOption,
  threadsOption,
  tokenizeOption,
  windowOption,
} from './options.ts';
import { showWork } from './show-work.ts';

interface Flags extends DecodingFlags, ReadingFlags, ClusterFlags {
  model?: string[];
  set?: string;
  from?: string;
  task: Task;
  to?: string;
  promptKind?: PromptKind[];
  forgetting?: boolean;
  window: WindowMode;
  cache?: string;
  cacheDtype?: CacheDtype;
  cacheLimit?: number;
  output: string;
  resume?: boolean;
  tokenize?: BleuTokenizer;
  spmModel?: string;
  comet?: string;
  pairedTest: PairedTest;
  samples?: number;
  bootstrapSeed: number;
  worst: number;
  json?: boolean;
}

const HELP = `
Files in --output: predictions.jsonl (every clip and model), scores.json (all scores with signatures, seeds, settings
and versions), the tables as .md, .csv and .tex, report.html (charts, and the worst sentences with players), and
comet/*.txt: score these with comet-score, then run again with --resume --comet <its output>.

References are the manifest's columns: text_de for --to de, text for --task transcribe. BLEU's tokenizer depends on the
language and is part of the signature. Chinese is compared in the characters of --to (zh and zh-Hans: Simplified,
zh-Hant: Traditional). Transcripts are normalised as in Whisper's paper.
Averages count every language the same. With several --model the first is the baseline of the paired tests. These are
approximate randomization by default: a bootstrap calls differences significant that come from one or two looping
outputs. Intervals are always those of 1000 bootstrap resamples.

--forgetting also measures abilities from before training: English recognition, translation into English with Whisper's
own prompt (both without target vocabulary and language model), and retrieval between the set's languages.

With --redis predictions are made by workers; retrieval, scores and tables by this process.

Example:
  $ whisper-transfer evaluate samples/manifest.tsv --set new --model models/whisper-base-int8 --model out/en-zh --forgetting
`;

export function evaluateCommand(command: Command): Command {
  command
    .argument(
      '<manifest>',
      'TSV, CSV or JSONL manifest with the references, or a data set such as google/fleurs',
    )
    .addOption(
      ofModels(
        new Option(
          '--model <dir>',
          'Whisper model directory, or model of the hub, repeatable; the first is the baseline (default: the embedded Whisper base)',
        ).argParser((directory: string, before: string[] = []) => [...before, directory]),
      ),
    )
    .option(
      '--set <name>',
      'use only this set of the manifest; of a data set test, unless this names another',
    );
  addRenamed(command, new Option('--from <code>', 'use only clips in this language'), '--language');
  addRenamed(
    command,
    new Option(
      '--to <code>',
      'language to translate into, such as de; default: the one that the models were trained for, or the only one of ' +
        'the manifest',
    ),
    '--target',
  );
  addRenamed(
    command,
    new Option('--output <dir>', 'folder for the results').default('out/evaluation'),
    '--output-dir',
  );
  command
    .addOption(
      new Option('--task <task>', 'task of the models')
        .choices(['translate', 'transcribe'] satisfies Task[])
        .default('translate'),
    )
    .option(
      '--prompt-kind <list>',
      `language and task token of the prompt, any of ${PROMPT_KINDS.join(',')}; default: those that each model was trained with`,
      promptKinds,
    )
    .addOption(threadsOption())
    .addOption(deviceOption())
    .option('--forgetting', 'also measure abilities from before training, see below')
    .addOption(windowOption());
  addCacheOptions(command)
    .option('--resume', 'reuse predictions in --output of the same models, prompts and settings')
    .addOption(tokenizeOption())
    .addOption(spmModelOption())
    .option('--comet <file>', 'output of comet-score, printed or --to_json, for the texts in comet/')
    .addOption(
      new Option('--paired-test <name>', 'paired test of each model against the first')
        .choices(PAIRED_TESTS)
        .default('randomization'),
    )
    .option('--samples <n>', 'resamples (1000) or trials of randomization (10000)', positiveInteger)
    .option('--bootstrap-seed <n>', 'seed of the resampling', positiveInteger, 12345)
    .option(
      '--worst <n>',
      'number of sentences with the lowest scores in the report, for each language',
      positiveInteger,
      5,
    )
    .option('--json', 'print the rows of the tables as JSON objects');
  addDecodingOptions(command);
  return addClusterOptions(addDatasetOptions(command)).addHelpText('after', HELP).action(run);
}

function promptKinds(value: string): PromptKind[] {
  const kinds = [...new Set(value.split(','))] as PromptKind[];
  if (!kinds.every((kind) => PROMPT_KINDS.includes(kind))) {
    throw new InvalidArgumentError(`Expected any of ${PROMPT_KINDS.join(',')}.`);
  }
  return kinds;
}

async function run(manifest: string, given: Flags): Promise<void> {
  const { evaluate } = await import('../evaluation/evaluate-manifest.ts');
  const { reading, others: flags } = partedFlags(given);
  const { model, promptKind, set, from, to, task, forgetting, window, output, resume, ...rest } = flags;
  const { tokenize, spmModel, comet, pairedTest, samples, bootstrapSeed, worst, json, ...others } = rest;
  const { cache, cacheDtype, cacheLimit, redis, store, progress, ...decoding } = others;
  const work = showWork('--resume continues');
  const cluster = clusterOf({ redis, store, progress }, work);
  const { results, tables, recordings, report } = await evaluate({
    ...work,
    ...{
      manifest,
      reading,
      set,
      from,
      to,
      task,
      forgetting,
      window,
      cache,
      cacheDtype,
      cacheLimit,
      output,
      resume,
    },
    ...{ tokenize, spmModel, comet, pairedTest, samples, bootstrapSeed, worst },
    models: model,
    promptKinds: promptKind,
    decoding: decodingChoice(decoding),
    elsewhere: cluster && (await import('../cluster/evaluate.ts')).evaluatedOnWorkers(cluster),
  });
  work.end();
  if (json) for (const row of results.rows) console.log(JSON.stringify(rowJson(row)));
  else {
    for (const { caption, render } of tables) process.stdout.write(`\n${caption}\n\n${render('terminal')}`);
    console.log(`\nAll of it, and the worst sentences to listen to: ${report}`);
  }
  failedFiles(results.unreadable.length, recordings);
}

function rowJson({ scores, ...row }: EvaluationRow): Record<string, unknown> {
  return { ...row, ...scoresJson(scores) };
}
