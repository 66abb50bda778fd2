import { type Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import { readSentences, readText } from '../files/text-files.ts';
import { LANGUAGES_WITHOUT_SPACES, type LanguageProfile, languageProfile } from '../language/profile.ts';
import { BLEU_SMOOTHINGS, type BleuSmoothing } from '../metrics/bleu.ts';
import { comet, cometScores } from '../metrics/comet.ts';
import type { CorpusMetric } from '../metrics/corpus.ts';
import { type Measured, measure } from '../metrics/measure.ts';
import {
  chooseMetrics,
  METRICS,
  type MetricName,
  type MetricOptions,
  prepareMetrics,
  SACREBLEU_METRICS,
} from '../metrics/metrics.ts';
import { offTargetRate } from '../metrics/off-target.ts';
import { DEFAULT_SAMPLES, PAIRED_TESTS, type PairedTest } from '../metrics/significance.ts';
import { type BleuTokenizer, bleuTokenizerOf, loadBleuTokenizer } from '../metrics/tokenizers.ts';
import { languageName } from '../report/format.ts';
import { formatTable, TABLE_FORMATS, type TableFormat } from '../report/table-formats.ts';
import type { Column } from '../report/terminal.ts';
import { addRenamed, positiveInteger, positiveNumber, spmModelOption, tokenizeOption } from './options.ts';

interface ScoreOptions {
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
A sentence a line, UTF-8. Scores and signatures equal sacreBLEU 2.6.0, error rates jiwer 4.0 (both 0 to 100).
TER splits Chinese characters and kana with tokenizer zh, char or ja-mecab. WER, CER, MER (Chinese characters and
words of other scripts) and hallucination (outputs that loop or run on) need exactly one --ref.

BLEU splits texts by --to: zh for Chinese, ja-mecab for Japanese where mecab-wasm is installed, char for other languages
without spaces between words, else 13a. Chinese is compared as it is; zh-Hans and zh-Hant convert both sides.
Tokenizers flores101 and flores200 (spBLEU) take the SentencePiece model that sacreBLEU keeps in ~/.sacrebleu/models
(or $SACREBLEU/models), or --spm-model. ja-mecab needs a package: npm install mecab-wasm@1.0.3.

Every score has the 95 % interval of 1000 bootstrap resamples of the sentences. With --baseline, or with several
--hyp of which the first is the baseline, it has the difference and the p-value of a paired test too; --json then
prints a line for each output. The tests are sacreBLEU's; for what it does not score, ties count as chance.

Example:
  $ whisper-transfer score --hyp output.txt --ref de.txt --to de --json
  $ whisper-transfer score --hyp new.txt --baseline old.txt --ref zh.txt --to zh-Hans --metrics bleu chrf
`;

/** As they always were in the JSON; the others are called as they are. */
const JSON_KEYS: Partial<Record<MetricName, string>> = { mer: 'mixedErrorRate', 'off-target': 'offTarget' };
const HEADINGS: Partial<Record<string, string>> = { chrf: 'chrF', 'chrf++': 'chrF++' };

/** One output file with the scores it got; null is what was not asked for or cannot be had. */
interface Scored {
  file: string;
  sentences: number;
  scores: Map<MetricName | 'comet', Measured | null>;
}

/** As sacreBLEU: by the language where it is told, else by the rules of WMT. */
const tokenizerOf = ({ tokenize, to }: ScoreOptions): BleuTokenizer =>
  tokenize ?? (to === undefined ? '13a' : bleuTokenizerOf(to));

/** They leave a sentence without spaces nearly whole. */
const WESTERN: readonly BleuTokenizer[] = ['13a', 'intl', 'none'];

function metricOptions(options: ScoreOptions, references: string[][]): MetricOptions {
  const { smooth, smoothValue, effectiveOrder, lowercase, to: language } = options;
  if (smoothValue !== undefined && smooth !== 'floor' && smooth !== 'add-k')
    throw new UserError(`--smooth-value goes with --smooth floor or add-k, not ${smooth}.`);
  const tokenize = tokenizerOf(options);
  if (language !== undefined && languageProfile(language).script === undefined)
    process.stderr.write(`note: the off-target rate is not measured: no script is known of "${language}"\n`);
  const shown = options.metrics === undefined || options.metrics.includes('bleu');
  if (shown && WESTERN.includes(tokenize)) {
    const written = LANGUAGES_WITHOUT_SPACES.find((code) => offTargetRate(references[0]!, code) < 0.5);
    if (written !== undefined) {
      process.stderr.write(
        `warning: the references are ${languageName(written)}, and BLEU with tokenizer ${tokenize} is far too low for it; ` +
          `use --tokenize ${languageProfile(written).bleuTokenizer}\n`,
      );
    }
  }
  return { tokenize, smooth, smoothValue, effectiveOrder, lowercase, language };
}

/** Texts are compared as they are, but where `--to` says in which characters: `zh` alone does not. */
function comparedForm({ simplify, to }: ScoreOptions): LanguageProfile | undefined {
  const profile = simplify ? languageProfile('zh-Hans') : to === undefined ? undefined : languageProfile(to);
  return profile && profile.code !== profile.base ? profile : undefined;
}

/** Scores of all outputs, the first of which is the baseline if there are several. */
function scoreOutputs(options: ScoreOptions): Scored[] {
  const files = [...(options.baseline === undefined ? [] : [options.baseline]), ...options.hyp];
  if (options.comet && options.comet.length !== files.length) {
    throw new UserError(
      `There are ${options.comet.length} --comet files for ${files.length} outputs (${files.join(', ')}): give one each, in this order.`,
    );
  }
  const compared = comparedForm(options);
  const read = (file: string) => {
    const lines = readSentences(file);
    return compared ? lines.map(compared.reference) : lines;
  };
  const outputs = files.map(read);
  const references = options.ref.map(read);
  const sentences = outputs[0]!.length;
  [...outputs, ...references].forEach((lines, i) => {
    if (lines.length !== sentences) {
      throw new UserError(
        `${[...files, ...options.ref][i]} has ${lines.length} lines, but ${files[0]} has ${sentences}: each line must be one sentence.`,
      );
    }
  });
  const given = options.comet?.map((file, i) => cometScores(readText(file), file, files[i]!, sentences));

  const metrics = chooseMetrics(options.metrics, references.length, metricOptions(options, references));
  const { pairedTest: test, samples, seed } = options;
  const scored = files.map((file): Scored => ({ file, sentences, scores: new Map() }));
  const add = (name: MetricName | 'comet', metricOf: (output: number) => CorpusMetric | undefined) => {
    let baseline: number[][] | undefined;
    const ties = !SACREBLEU_METRICS.includes(name);
    scored.forEach(({ scores }, i) => {
      const metric = metricOf(i);
      const statistics = metric?.statistics(outputs[i]!, references);
      scores.set(
        name,
        metric && statistics
          ? measure(metric, statistics, baseline, references.length, { test, samples, seed, ties })
          : null,
      );
      baseline ??= statistics;
    });
  };
  for (const name of METRICS) add(name, () => metrics.get(name));
  add('comet', (i) => given && comet(given[i]!));
  return scored;
}

function json({ file, sentences, scores }: Scored, options: ScoreOptions) {
  const { pairedTest: test, samples = DEFAULT_SAMPLES[test], seed } = options;
  return {
    hypotheses: file,
    sentences,
    simplified: comparedForm(options)?.script === 'Hans',
    resampling: { test, samples, seed },
    ...Object.fromEntries(
      [...scores].map(([name, measured]) => [JSON_KEYS[name as MetricName] ?? name, measured]),
    ),
  };
}

/** A row for each metric and output. */
function table(outputs: readonly Scored[], format: TableFormat): string {
  const rows = [...outputs[0]!.scores.keys()].flatMap((name) =>
    outputs.flatMap(({ file, scores }) => {
      const measured = scores.get(name);
      return measured ? [{ name, file, ...measured }] : [];
    }),
  );
  type Row = (typeof rows)[number];
  // COMET is about 0 to 1, the others 0 to 100.
  const number = (value: (row: Row) => number | undefined) => (row: Row) =>
    value(row)?.toFixed(row.name === 'comet' ? 4 : 2) ?? '';
  const columns: Column<Row>[] = [
    {
      heading: 'metric',
      value: ({ name }) => HEADINGS[name] ?? (/^\w{3,5}$/.test(name) ? name.toUpperCase() : name),
    },
    { heading: 'output', value: ({ file }) => file },
    { heading: 'score', value: number(({ score }) => score), align: 'right' },
    { heading: '2.5 %', value: number(({ interval }) => interval.low), align: 'right' },
    { heading: '97.5 %', value: number(({ interval }) => interval.high), align: 'right' },
    { heading: 'difference', value: number(({ comparison }) => comparison?.difference), align: 'right' },
    { heading: 'p', value: ({ comparison }) => comparison?.pValue.toFixed(4) ?? '', align: 'right' },
    { heading: 'signature', value: ({ signature }) => signature, widest: 100 },
  ];
  const single = outputs.length === 1;
  const shown = columns.filter(({ heading }) => !single || !['output', 'difference', 'p'].includes(heading));
  return formatTable(rows, shown, format);
}

const collect = (file: string, before: string[] = []) => [...before, file];

/** `whisper-transfer score`: compares output files with reference files, line by line. */
export function scoreCommand(command: Command): Command {
  command
    .requiredOption('--hyp <file>', 'output to score, a sentence a line; repeatable', collect)
    .option('--baseline <file>', 'output that the others are compared with by a paired test')
    .requiredOption('--ref <file>', 'reference, repeatable', collect)
    .addOption(new Option('--metrics <names...>', 'only these metrics').choices(METRICS))
    .addOption(tokenizeOption())
    .addOption(spmModelOption())
    .addOption(
      new Option('--smooth <method>', 'what BLEU takes for an order without a match')
        .choices(BLEU_SMOOTHINGS)
        .default('exp'),
    )
    .option('--smooth-value <number>', 'of --smooth floor (0.1) or add-k (1)', positiveNumber)
    .option('--effective-order', 'BLEU leaves out orders longer than the output')
    .option('--lowercase', 'BLEU, chrF, WER and CER without regard to case (TER and MER always)')
    .option('--simplify', 'turn Traditional into Simplified Chinese on both sides, as --to zh-Hans does')
    .option(
      '--comet <file>',
      'COMET scores made elsewhere: what comet-score printed or wrote (--to_json), or a number a line; repeatable, baseline first',
      collect,
    )
    .addOption(
      new Option('--paired-test <name>', 'paired bootstrap or approximate randomization')
        .choices(PAIRED_TESTS)
        .default('bootstrap'),
    )
    .option('--samples <n>', 'resamples (1000) or trials of randomization (10000)', positiveInteger)
    .option('--seed <n>', 'of the resampling', positiveInteger, 12345)
    .addOption(
      new Option('--format <name>', 'how the table is written').choices(TABLE_FORMATS).default('terminal'),
    )
    .option('--json', 'print one line of JSON for each output');
  addRenamed(
    command,
    new Option(
      '--to <code>',
      'language of the texts: decides on the tokenizer, and the share of outputs in another script is told',
    ),
    '--language',
  );
  return command.addHelpText('after', HELP).action(async (options: ScoreOptions) => {
    if (options.to !== undefined) await prepareMetrics(options.to);
    await loadBleuTokenizer(tokenizerOf(options), options.spmModel);
    const outputs = scoreOutputs(options);
    process.stdout.write(
      options.json
        ? outputs.map((output) => `${JSON.stringify(json(output, options))}\n`).join('')
        : table(outputs, options.format),
    );
  });
}
