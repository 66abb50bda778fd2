/** `whisper-transfer evaluate`: all that a table needs about how well models translate or transcribe a test set. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { chosenDecoding } from '../decoding/decoding-choice.ts';
import { UserError } from '../errors.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { defaultTarget } from '../evaluation/models.ts';
import { evaluationReport } from '../evaluation/page.ts';
import type { Decoding } from '../evaluation/predict.ts';
import type { EvaluationResults, EvaluationRow } from '../evaluation/results.ts';
import { evaluationTables } from '../evaluation/tables.ts';
import { worstSentences } from '../evaluation/worst.ts';
import { selectClips } from '../features/encoded-clips.ts';
import { readText } from '../files/text-files.ts';
import { PAIRED_TESTS, type PairedTest } from '../metrics/significance.ts';
import { type BleuTokenizer, loadBleuTokenizer } from '../metrics/tokenizers.ts';
import type { TableFormat } from '../report/table-formats.ts';
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
    .option('--set <name>', 'use only this set of the manifest')
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
  const { set, from: language, task, output } = flags;
  if (flags.promptKind && task === 'transcribe') {
    throw new UserError('--prompt-kind: expected with --task translate; a transcript has one prompt only');
  }
  const own = await selectClips(manifest, { ...(set && { set }), ...(language && { language }) });
  const models = flags.model ?? [embeddedModel];
  const target =
    task === 'transcribe' ? (language ?? 'en') : (flags.to ?? (await defaultTarget(manifest, own, models)));
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  if (flags.tokenize !== undefined || flags.spmModel !== undefined)
    await loadBleuTokenizer(flags.tokenize ?? '13a', flags.spmModel);
  const { targetVocabulary: _, lm: __, ...plain } = flags;
  const { results, asked } = await evaluate({
    version,
    manifest,
    selection: { set: set ?? null, language: language ?? null },
    clips: await selectClips(manifest, set ? { set } : {}),
    task,
    target,
    models,
    tokenize: flags.tokenize,
    promptKinds: flags.promptKind,
    forgetting: Boolean(flags.forgetting),
    window: flags.window,
    cache: flags.cache,
    output,
    resume: Boolean(flags.resume),
    decoding: decodingWith(flags, target),
    plainDecoding: decodingWith(plain, 'en'),
    resampling: { test: flags.pairedTest, samples: flags.samples, seed: flags.bootstrapSeed },
    comet: flags.comet === undefined ? undefined : { file: flags.comet, text: readText(flags.comet) },
    onNote: (note) => process.stderr.write(`note: ${note}\n`),
  });
  const tables = evaluationTables(results);
  const endings: [TableFormat, string][] = [
    ['markdown', 'md'],
    ['csv', 'csv'],
    ['latex', 'tex'],
  ];
  for (const { name, render } of tables) {
    for (const [format, ending] of endings)
      await writeFile(join(output, `${name}.${ending}`), render(format));
  }
  await writeFile(join(output, 'scores.json'), `${JSON.stringify(results, null, 1)}\n`);
  const worst = await worstSentences(asked, flags.worst);
  await writeFile(join(output, 'report.html'), evaluationReport(results, worst));

  if (flags.json) for (const row of results.rows) console.log(JSON.stringify(jsonRow(row)));
  else {
    for (const { caption, render } of tables) process.stdout.write(`\n${caption}\n\n${render('terminal')}`);
    console.log(`\nAll of it, and the worst sentences to listen to: ${join(output, 'report.html')}`);
  }
  for (const { error } of results.unreadable) process.stderr.write(`left out: ${error}\n`);
  failedFiles(results.unreadable.length, clipCount(results, asked));
}

function clipCount(results: EvaluationResults, asked: Awaited<ReturnType<typeof evaluate>>['asked']): number {
  const audio = asked.flatMap(({ predictions }) => predictions.map((prediction) => prediction.audio));
  return new Set([...audio, ...results.unreadable.map((file) => file.audio)]).size;
}

/** As `score --json` calls them. */
const JSON_KEYS: Readonly<Record<string, string>> = { mer: 'mixedErrorRate', 'off-target': 'offTarget' };

function jsonRow({ scores, ...row }: EvaluationRow): Record<string, unknown> {
  const named = Object.entries(scores).map(([metric, score]) => [JSON_KEYS[metric] ?? metric, score]);
  return { ...row, ...Object.fromEntries(named) };
}

/** @param written language of the text that is made */
function decodingWith(flags: DecodingFlags & { window: WindowMode }, written: string): Decoding {
  const { beam, patience, lengthPenalty, temperature, fallback, bestOf, seed } = flags;
  const {
    noRepeatNgram,
    repetitionPenalty,
    maxTokens,
    targetVocabulary,
    experts,
    lm,
    lmLanguage,
    alpha,
    beta,
    window,
  } = flags;
  const files = [lm, targetVocabulary].filter((file) => typeof file === 'string');
  const settings = {
    window,
    // Texts that loop or do not end are read again in the full window.
    ...(window === 'fit' && { again: 'full' }),
    beam,
    patience,
    lengthPenalty,
    ...(temperature && { temperature: temperature.join() }),
    ...(fallback && { fallback }),
    bestOf,
    seed,
    noRepeatNgram,
    repetitionPenalty,
    maxTokens,
    ...(targetVocabulary && { targetVocabulary }),
    ...(experts === 'off' && { experts }),
    ...(lm && { lm, ...(lmLanguage && { lmLanguage }), alpha, beta }),
    // A file that was made anew under its old name is another setting.
    ...(files.length > 0 && { filesSha256: files.map(sha256).join() }),
  };
  return { settings, of: (model) => chosenDecoding(model, decodingChoice(flags), written) };
}

function sha256(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
  } catch (error) {
    throw new UserError(
      `${file}: cannot be read (${(error as NodeJS.ErrnoException).code}); expected a file`,
    );
  }
}
