/** Scores of texts against references, sentence by sentence: all metrics, their intervals, paired tests. */
import { takeTurn } from '../abort.ts';
import { UserError } from '../errors.ts';
import { LANGUAGES_WITHOUT_SPACES, type LanguageProfile, languageProfile } from '../language/profile.ts';
import { languageName } from '../report/format.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import type { BleuOptions } from './bleu.ts';
import { comet } from './comet.ts';
import type { CorpusMetric } from './corpus.ts';
import { type Measured, measure } from './measure.ts';
import {
  chooseMetrics,
  METRICS,
  type MetricName,
  type MetricOptions,
  prepareMetrics,
  SACREBLEU_METRICS,
} from './metrics.ts';
import { offTargetRate } from './off-target.ts';
import { type SentenceTable, tableOf } from './sentence-table.ts';
import type { PairedTest } from './significance.ts';
import { type BleuTokenizer, bleuTokenizerOf, loadBleuTokenizer } from './tokenizers.ts';

export interface ScoringOptions extends BleuOptions, Pick<WorkOptions, 'onNote' | 'onProgress' | 'signal'> {
  /** Only these metrics. Default: all that the number of references allows, with or without a language. */
  readonly metrics?: readonly MetricName[] | undefined;
  /** Language of the texts: selects the tokenizer and adds the off-target rate. */
  readonly to?: string | undefined;
  /** SentencePiece model of the tokenizers flores101 and flores200. Default: sacreBLEU's. */
  readonly spmModel?: string | undefined;
  /** Default 'bootstrap'. */
  readonly pairedTest?: PairedTest | undefined;
  /** Resamples, or trials of randomization. Default 1000 and 10000. */
  readonly samples?: number | undefined;
  /** Seed of the resampling. Default 12345. */
  readonly seed?: number | undefined;
}

/** Scored before a turn is taken: the slowest metric, TER, counts some thousands a second. */
const SENTENCES_PER_TURN = 500;

export interface ScoreOptions extends ScoringOptions {
  /** The texts, one a sentence. */
  readonly hypotheses: readonly string[];
  /** One reference a sentence, or several lists of them. */
  readonly references: readonly string[] | readonly (readonly string[])[];
  /** Texts that the hypotheses are compared with by a paired test. */
  readonly baseline?: readonly string[] | undefined;
}

/** Scores by metric; null for those that were not chosen or are not defined for the input. */
export type Scores = Record<MetricName | 'comet', Measured | null>;

/** Scores equal sacreBLEU's and jiwer's. @throws UserError where texts and references do not fit each other */
export async function score({ hypotheses, references, baseline, ...options }: ScoreOptions): Promise<Scores> {
  const lists = typeof references[0] === 'string' ? [references as readonly string[]] : references;
  const outputs = [...(baseline ? [baseline] : []), hypotheses].map((lines) => ({ lines }));
  return (await scoreOutputs(outputs, lists as readonly (readonly string[])[], options)).at(-1)!;
}

export interface Output {
  /** One sentence a line. */
  readonly lines: readonly string[];
  /** COMET scores of the sentences, from `comet-score`. */
  readonly comet?: readonly number[] | undefined;
}

/**
 * Scores of several outputs, in their order.
 * @param outputs the first is the baseline
 */
export async function scoreOutputs(
  outputs: readonly Output[],
  references: readonly (readonly string[])[],
  options: ScoringOptions,
): Promise<Scores[]> {
  const { pairedTest: test, samples, seed = 12345, to } = options;
  const sentences = outputs[0]!.lines.length;
  const uneven = [...outputs.map(({ lines }) => lines), ...references].find(
    ({ length }) => length !== sentences,
  );
  if (uneven)
    throw new UserError(`found ${uneven.length} and ${sentences} sentences; expected as many in each list`);
  if (to !== undefined) await prepareMetrics(to);
  await loadBleuTokenizer(tokenizerOf(options), options.spmModel);
  const compared = comparedForm(to);
  const form = (lines: readonly string[]): string[] =>
    compared ? lines.map(compared.reference) : [...lines];
  const texts = outputs.map(({ lines }) => form(lines));
  const right = references.map(form);
  const metrics = chooseMetrics(options.metrics, right.length, metricOptions(options, right));
  const scores = outputs.map((): Partial<Scores> => ({}));
  const progress = stageProgress(
    options,
    'scoring',
    sentences * (outputs.length * metrics.size + outputs.filter((of) => of.comet).length),
  );
  let done = 0;
  /** Each sentence is counted for itself. */
  const statisticsOf = async (metric: CorpusMetric, lines: readonly string[]): Promise<number[][]> => {
    const rows: number[][] = [];
    do {
      const some = (list: readonly string[]) => list.slice(rows.length, rows.length + SENTENCES_PER_TURN);
      const counted = metric.statistics(some(lines), right.map(some));
      for (const row of counted) rows.push(row);
      progress((done += counted.length));
      await takeTurn(options.signal);
    } while (rows.length < sentences);
    return rows;
  };
  const add = async (name: MetricName | 'comet', metricOf: (output: number) => CorpusMetric | undefined) => {
    let baseline: SentenceTable | undefined;
    const ties = !SACREBLEU_METRICS.includes(name);
    for (const [i, lines] of texts.entries()) {
      const metric = metricOf(i);
      const statistics = metric && tableOf(await statisticsOf(metric, lines));
      scores[i]![name] =
        metric && statistics
          ? measure(metric, statistics, baseline, right.length, { test, samples, seed, ties })
          : null;
      baseline ??= statistics;
    }
  };
  for (const name of METRICS) await add(name, () => metrics.get(name));
  await add('comet', (i) => outputs[i]!.comet && comet(outputs[i]!.comet));
  return scores as Scores[];
}

/** BLEU tokenizer: by the language where it is given, else sacreBLEU's default, 13a. */
const tokenizerOf = ({ tokenize, to }: ScoringOptions): BleuTokenizer =>
  tokenize ?? (to === undefined ? '13a' : bleuTokenizerOf(to));

/** The profile that texts are converted to before they are compared; undefined: none. `zh` alone names no script. */
export function comparedForm(to: string | undefined): LanguageProfile | undefined {
  const profile = to === undefined ? undefined : languageProfile(to);
  return profile && profile.code !== profile.base ? profile : undefined;
}

/** Tokenizers that hardly split a sentence without spaces. */
const WESTERN: readonly BleuTokenizer[] = ['13a', 'intl', 'none'];

function metricOptions(options: ScoringOptions, references: readonly string[][]): MetricOptions {
  const { smooth, smoothValue, effectiveOrder, lowercase, to: language } = options;
  const tokenize = tokenizerOf(options);
  if (language !== undefined && languageProfile(language).script === undefined)
    options.onNote?.(`the off-target rate is not measured: no script is known of "${language}"`);
  const shown = options.metrics === undefined || options.metrics.includes('bleu');
  if (shown && WESTERN.includes(tokenize)) {
    const written = LANGUAGES_WITHOUT_SPACES.find((code) => offTargetRate(references[0]!, code) < 0.5);
    if (written !== undefined) {
      options.onNote?.(
        `the references are ${languageName(written)}, and BLEU with tokenizer ${tokenize} is far too low for it; ` +
          `use --tokenize ${languageProfile(written).bleuTokenizer}`,
      );
    }
  }
  return { tokenize, smooth, smoothValue, effectiveOrder, lowercase, language };
}
