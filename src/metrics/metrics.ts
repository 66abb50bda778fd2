/** The metrics by name, for the command line. */
import { UserError } from '../errors.ts';
import { loadIdentifier } from '../language/identify.ts';
import { languageProfile } from '../language/profile.ts';
import { type BleuOptions, bleu } from './bleu.ts';
import { chrf } from './chrf.ts';
import type { CorpusMetric } from './corpus.ts';
import { hallucination } from './hallucination.ts';
import { offTarget } from './off-target.ts';
import { ter } from './ter.ts';
import { loadBleuTokenizer } from './tokenizers.ts';
import { errorMetric } from './word-error-rate.ts';

/**
 * Loads the models that the metrics of a language need: n-grams to identify it, MeCab for Japanese where it is installed.
 * Must precede {@link chooseMetrics}, which is synchronous.
 */
export async function prepareMetrics(language: string): Promise<void> {
  await loadIdentifier(language);
  if (languageProfile(language).bleuTokenizer !== 'ja-mecab') return;
  await loadBleuTokenizer('ja-mecab').catch((error) => {
    if (!(error instanceof UserError)) throw error;
  });
}

export const METRICS = [
  'bleu',
  'chrf',
  'chrf++',
  'ter',
  'wer',
  'cer',
  'mer',
  'off-target',
  'hallucination',
] as const;
export type MetricName = (typeof METRICS)[number];

/** For these sacreBLEU defines the paired tests, without ties; see `ties` in significance.ts. */
export const SACREBLEU_METRICS: readonly string[] = ['bleu', 'chrf', 'chrf++', 'ter'] satisfies MetricName[];

/** Metrics against a single reference: jiwer defines none for several. */
const ONE_REFERENCE: readonly MetricName[] = ['wer', 'cer', 'mer', 'hallucination'];

export interface MetricOptions extends BleuOptions {
  /** Target language, for the off-target rate. */
  language?: string;
}

/**
 * One metric. `lowercase` holds for BLEU, chrF, WER and CER (TER and the mixed error rate always ignore case); TER
 * splits Chinese characters and kana when BLEU does so, or finds words between them (tokenizer zh, char, ja-mecab).
 */
function metricNamed(name: MetricName, options: MetricOptions): CorpusMetric {
  const { tokenize, lowercase = false, language } = options;
  const asian = tokenize === 'zh' || tokenize === 'char' || tokenize === 'ja-mecab';
  switch (name) {
    case 'bleu':
      return bleu(options);
    case 'chrf':
      return chrf({ lowercase });
    case 'chrf++':
      return chrf({ lowercase, wordOrder: 2 });
    case 'ter':
      return ter(asian ? { normalized: true, asianSupport: true } : {});
    case 'wer':
    case 'cer':
    case 'mer':
      return errorMetric(name, { lowercase });
    case 'off-target':
      if (language === undefined)
        throw new UserError('The off-target rate needs the language of the texts (--to).');
      return offTarget(language);
    case 'hallucination':
      return hallucination;
  }
}

/**
 * The metrics of these names; without names, all that the number of references and the language allow.
 * @throws UserError for a metric that they do not allow
 */
export function chooseMetrics(
  names: readonly MetricName[] | undefined,
  referenceCount: number,
  options: MetricOptions,
): Map<MetricName, CorpusMetric> {
  const possible = (name: MetricName) =>
    (referenceCount === 1 || !ONE_REFERENCE.includes(name)) &&
    (name !== 'off-target' ||
      (options.language !== undefined && languageProfile(options.language).script !== undefined));
  for (const name of names ?? []) {
    if (referenceCount !== 1 && ONE_REFERENCE.includes(name))
      throw new UserError(`${name} needs exactly one reference, but there are ${referenceCount}.`);
  }
  return new Map((names ?? METRICS.filter(possible)).map((name) => [name, metricNamed(name, options)]));
}
