/** `whisper-transfer score`: compares output files with reference files, line by line. */
import { type Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import { readSentences, readText } from '../files/read.ts';
import { languageProfile } from '../language/profile.ts';
import { BLEU_SMOOTHINGS, type BleuSmoothing } from '../metrics/bleu.ts';
import { cometScores } from '../metrics/comet.ts';
import { METRICS, type MetricName } from '../metrics/metrics.ts';
import { comparedForm, scoreOutputs } from '../metrics/score.ts';
import { type ScoredFile, scoresJson, scoreTable } from '../metrics/score-table.ts';
import { DEFAULT_SAMPLES, PAIRED_TESTS, type PairedTest } from '../metrics/significance.ts';
import type { BleuTokenizer } from '../metrics/tokenizers.ts';
import { TABLE_FORMATS, type TableFormat } from '../report/table-formats.ts';
import {
  addRenamed,
  positiveInteger,
  positiveNumber,
  spmModelOption,
  tokenizeOption,
  writtenLanguage,
} from './options.ts';
import { showWork } from './show-work.ts';

interface Flags {
  hyp: string[];
  baseline?: string;
  ref: string[];
  comet?: string[];
  metrics?: MetricName[];
  tokenize?: BleuTokenizer;
  spmModel?: string;
  smooth: BleuSmoothing;
  smoothValue?: number;
  effectiveOrder?: boolean;
  lowercase?: boolean;
  to?: string;
  simplify?: boolean;
  pairedTest: PairedTest;
  samples?: number;
  seed: number;
  format: TableFormat;
  json?: boolean;
}

const HELP = `
Files have one sentence a line, UTF-8. Scores and signatures equal sacreBLEU 2.6.0, error rates jiwer 4.0 (both 0 to 100).
TER splits Chinese characters and kana with tokenizer zh, char or ja-mecab. WER, CER, MER (Chinese characters and
words of other scripts) and hallucination (outputs that loop or run on) need exactly one --ref.

BLEU's tokenizer depends on --to: zh for Chinese, ja-mecab for Japanese where mecab-wasm is installed, char for other
languages without spaces between words, else 13a. Chinese is compared unchanged; zh-Hans and zh-Hant convert both sides.
Tokenizers flores101 and flores200 (spBLEU) use the SentencePiece model in sacreBLEU's cache, ~/.sacrebleu/models
(or $SACREBLEU/models), or --spm-model. ja-mecab needs a package: npm install mecab-wasm@1.0.3.

Every score has the 95 % interval of 1000 bootstrap resamples of the sentences. With --baseline, or with several
--hyp of which the first is the baseline, it has the difference and the p-value of a paired test too; --json then
prints a line for each output. The tests are sacreBLEU's; for other metrics, ties count as chance.

Examples:
  $ whisper-transfer score --hyp output.txt --ref de.txt --to de --json
  $ whisper-transfer score --hyp new.txt --baseline old.txt --ref zh.txt --to zh-Hans --metrics bleu chrf
`;

/** Sentences of all outputs that take long enough for a line of progress. */
const WORTH_A_LINE = 5000;

const collect = (file: string, before: string[] = []) => [...before, file];

export function scoreCommand(command: Command): Command {
  command
    .requiredOption('--hyp <file>', 'output to score, one sentence a line; repeatable', collect)
    .option('--baseline <file>', 'output to compare the others with, by a paired test')
    .requiredOption('--ref <file>', 'reference, one sentence a line; repeatable', collect)
    .addOption(new Option('--metrics <names...>', 'compute only these metrics').choices(METRICS))
    .addOption(tokenizeOption())
    .addOption(spmModelOption())
    .addOption(
      new Option('--smooth <method>', 'smoothing of n-gram orders without a match in BLEU')
        .choices(BLEU_SMOOTHINGS)
        .default('exp'),
    )
    .option(
      '--smooth-value <number>',
      'value of --smooth floor (default 0.1) or add-k (default 1)',
      positiveNumber,
    )
    .option('--effective-order', 'BLEU skips n-gram orders longer than the output')
    .option('--lowercase', 'ignore case in BLEU, chrF, WER and CER (TER and MER always do)')
    .option('--simplify', 'convert Traditional to Simplified Chinese on both sides, as --to zh-Hans does')
    .option(
      '--comet <file>',
      'COMET scores: output of comet-score, printed or --to_json, or one number a line; repeatable, baseline first',
      collect,
    )
    .addOption(
      new Option('--paired-test <name>', 'paired test against the baseline')
        .choices(PAIRED_TESTS)
        .default('bootstrap'),
    )
    .option('--samples <n>', 'resamples (1000) or trials of randomization (10000)', positiveInteger)
    .option('--seed <n>', 'seed of the resampling', positiveInteger, 12345)
    .addOption(
      new Option('--format <name>', 'format of the table').choices(TABLE_FORMATS).default('terminal'),
    )
    .option('--json', 'print one line of JSON for each output');
  addRenamed(
    command,
    new Option(
      '--to <code>',
      'language of the texts, such as de: selects the tokenizer and adds the off-target rate',
    ).argParser(writtenLanguage),
    '--language',
  );
  return command.addHelpText('after', HELP).action(run);
}

async function run(flags: Flags): Promise<void> {
  const { baseline, hyp, ref, comet, smooth, smoothValue, simplify, format, json, ...options } = flags;
  if (smoothValue !== undefined && smooth !== 'floor' && smooth !== 'add-k')
    throw new UserError(`--smooth-value goes with --smooth floor or add-k, not ${smooth}.`);
  const files = [...(baseline === undefined ? [] : [baseline]), ...hyp];
  if (comet && comet.length !== files.length) {
    throw new UserError(
      `There are ${comet.length} --comet files for ${files.length} outputs (${files.join(', ')}): give one each, in this order.`,
    );
  }
  const texts = await readTexts([...files, ...ref], files[0]!, Boolean(simplify));
  const sentences = texts[0]!.length;
  const given: number[][] = [];
  for (const [i, file] of (comet ?? []).entries()) {
    const text = await readText(file, 'scores that comet-score wrote');
    given.push(cometScores(text, file, files[i]!, sentences));
  }
  const outputs = texts.slice(0, files.length).map((lines, i) => ({ lines, comet: given[i] }));
  const { onProgress, onNote, signal, end } = showWork();
  const scores = await scoreOutputs(outputs, texts.slice(files.length), {
    ...options,
    ...{ smooth, smoothValue, onNote, signal },
    ...(sentences * files.length >= WORTH_A_LINE && { onProgress }),
  });
  end();
  const scored = files.map((file, i): ScoredFile => ({ file, scores: scores[i]! }));
  if (!json) {
    process.stdout.write(scoreTable(scored, format));
    return;
  }
  const { pairedTest: test, samples = DEFAULT_SAMPLES[test], seed } = options;
  const simplified = simplify === true || comparedForm(options.to)?.script === 'Hans';
  for (const { file, scores } of scored) {
    const facts = { hypotheses: file, sentences, simplified, resampling: { test, samples, seed } };
    process.stdout.write(`${JSON.stringify({ ...facts, ...scoresJson(scores) })}\n`);
  }
}

/** Reads sentences of files. @throws UserError where a file has not as many lines as `one` */
async function readTexts(files: readonly string[], one: string, simplify: boolean): Promise<string[][]> {
  const texts: string[][] = [];
  for (const file of files) {
    const lines = await readSentences(file);
    texts.push(simplify ? lines.map(languageProfile('zh-Hans').reference) : lines);
  }
  const sentences = texts[files.indexOf(one)]!.length;
  texts.forEach(({ length }, i) => {
    if (length !== sentences) {
      throw new UserError(
        `${files[i]} has ${length} lines, but ${one} has ${sentences}: each line must be one sentence.`,
      );
    }
  });
  return texts;
}
