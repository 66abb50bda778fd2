/** `whisper-transfer evaluate`: all that a table needs about how well models translate or transcribe a test set. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { EvaluationRow } from '../evaluation/results.ts';
import { scoresJson } from '../metrics/score-table.ts';
import { PAIRED_TESTS, type PairedTest } from '../metrics/significance.ts';
import type { BleuTokenizer } from '../metrics/tokenizers.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { PROMPT_KINDS, type PromptKind } from '../whisper/prompts.ts';
import type { Task } from '../whisper/tokens.ts';
import { addDecodingOptions, type DecodingFlags, decodingChoice } from './decoding-options.ts';
import {
  addRenamed,
  failedFiles,
  positiveInteger,
  spmModelOption,
  tokenizeOption,
  windowOption,
} from './options.ts';
import { showWork } from './show-work.ts';

interface Flags extends DecodingFlags {
  model?: string[];
  set?: string;
  from?: string;
  task: Task;
  to?: string;
  promptKind?: PromptKind[];
  forgetting?: boolean;
  window: WindowMode;
  cache: string;
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
Into --output go predictions.jsonl (every clip, every model), scores.json (all scores with signatures, seeds,
settings and versions), the tables as .md, .csv and .tex, report.html (bars, and the worst sentences to listen to)
and, for COMET, comet/*.txt: score these with comet-score and come back with --resume --comet <what it printed>.

References are the manifest's columns: text_de for --to de, text for --task transcribe. What BLEU splits texts into goes by
the language, as signatures say; Chinese is compared in the characters of --to (zh and zh-Hans: Simplified, zh-Hant:
Traditional). Transcripts are normalised as Whisper's paper has it.
Averages count every language the same. With several --model the first is the baseline of the paired tests: approximate
randomization, as the bootstrap calls differences significant that one or two looping outputs make. Intervals are those
of 1000 bootstrap resamples in any case.

--forgetting also measures what Whisper could do before training: English recognition, translation into English with
Whisper's own prompt (both without target vocabulary and language model), and retrieval between the set's languages.

Example:
  $ whisper-transfer evaluate samples/manifest.tsv --set new --model models/whisper-base-int8 --model out/en-zh --forgetting
`;

export function evaluateCommand(command: Command): Command {
  command
    .argument('<manifest>', 'TSV or JSONL manifest with the references')
    .option(
      '--model <dir>',
      'Whisper model directory, repeatable; the first is compared with (default: the embedded Whisper base)',
      (directory: string, before: string[] = []) => [...before, directory],
    )
    .option('--set <name>', 'use only this set of the manifest');
  addRenamed(command, new Option('--from <code>', 'use only clips in this language'), '--language');
  addRenamed(
    command,
    new Option(
      '--to <code>',
      'language to translate into; default: what the models were trained for, or the only one of the manifest',
    ),
    '--target',
  );
  addRenamed(
    command,
    new Option('--output <dir>', 'where the results go').default('out/evaluation'),
    '--output-dir',
  );
  command
    .addOption(
      new Option('--task <task>', 'what to do with the speech')
        .choices(['translate', 'transcribe'] satisfies Task[])
        .default('translate'),
    )
    .option(
      '--prompt-kind <list>',
      `any of ${PROMPT_KINDS.join(',')}; default: what each model was trained with`,
      promptKinds,
    )
    .option('--forgetting', 'also measure what the model could do before it was trained')
    .addOption(windowOption())
    .option('--cache <dir>', 'where encoder outputs are kept between runs', 'out/cache')
    .option('--resume', 'keep the predictions that are there for the same models, prompts and settings')
    .addOption(tokenizeOption())
    .addOption(spmModelOption())
    .option(
      '--comet <file>',
      'scores of the texts in comet/, as comet-score printed them or wrote them (--to_json)',
    )
    .addOption(
      new Option('--paired-test <name>', 'paired bootstrap or approximate randomization')
        .choices(PAIRED_TESTS)
        .default('randomization'),
    )
    .option('--samples <n>', 'resamples (1000) or trials of randomization (10000)', positiveInteger)
    .option('--bootstrap-seed <n>', 'of the resampling', positiveInteger, 12345)
    .option(
      '--worst <n>',
      'sentences of each language in the report: those with the lowest scores',
      positiveInteger,
      5,
    )
    .option('--json', 'print the rows of the tables as JSON objects');
  addDecodingOptions(command);
  return command.addHelpText('after', HELP).action(run);
}

function promptKinds(value: string): PromptKind[] {
  const kinds = [...new Set(value.split(','))] as PromptKind[];
  if (!kinds.every((kind) => PROMPT_KINDS.includes(kind))) {
    throw new InvalidArgumentError(`Expected any of ${PROMPT_KINDS.join(',')}.`);
  }
  return kinds;
}

async function run(manifest: string, flags: Flags): Promise<void> {
  const { evaluate } = await import('../evaluation/evaluate-manifest.ts');
  const { model, promptKind, set, from, to, task, forgetting, window, cache, output, resume, ...rest } =
    flags;
  const { tokenize, spmModel, comet, pairedTest, samples, bootstrapSeed, worst, json, ...decoding } = rest;
  const work = showWork();
  const { results, tables, recordings, report } = await evaluate({
    ...work,
    ...{ manifest, set, from, to, task, forgetting, window, cache, output, resume },
    ...{ tokenize, spmModel, comet, pairedTest, samples, bootstrapSeed, worst },
    models: model,
    promptKinds: promptKind,
    decoding: decodingChoice(decoding),
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
