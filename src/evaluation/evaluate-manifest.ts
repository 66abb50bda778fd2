/** Evaluates translation or transcription of a manifest's clips by models, and writes the results into a folder. */
import { join } from 'node:path';
import { abortable } from '../abort.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { type DatasetOptions, datasetFolder, isDataset, prepareDataset } from '../corpora/dataset.ts';
import { readManifest } from '../data/manifest.ts';
import { plural, repeatedClips } from '../data/repeated-clips.ts';
import { UserError } from '../errors.ts';
import { clipsOf } from '../features/encoded-clips.ts';
import type { CacheOptions } from '../features/encoder-outputs.ts';
import { lockFolder } from '../files/lock.ts';
import { readText } from '../files/read.ts';
import { writeJson, writeWhole } from '../files/write-whole.ts';
import type { PairedTest } from '../metrics/significance.ts';
import { type BleuTokenizer, loadBleuTokenizer } from '../metrics/tokenizers.ts';
import { packageVersion } from '../report/package-version.ts';
import type { WorkOptions } from '../report/progress.ts';
import type { TableFormat } from '../report/table-formats.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { PromptKind } from '../whisper/prompts.ts';
import type { Task } from '../whisper/tokens.ts';
import { type EvaluatedDecoding, evaluatedDecoding } from './decoding.ts';
import { evaluateModels } from './evaluate.ts';
import { knownRecordings } from './known-recordings.ts';
import { defaultTarget, trainedTargets } from './models.ts';
import { evaluationReport } from './page.ts';
import { audioName, type DecodeElsewhere } from './predict.ts';
import type { EvaluationResults } from './results.ts';
import type { SystemOutput } from './systems.ts';
import { evaluationTables, type NamedTable } from './tables.ts';
import { worstSentences } from './worst.ts';

export interface EvaluateOptions extends WorkOptions, CacheOptions {
  /** Path of a manifest with the references; or a data set (of the hub, a folder, an archive), of which `set` is read, by default test. */
  readonly manifest: string;
  /** How a data set is read, beside its languages and set. */
  readonly reading?: Omit<DatasetOptions, 'from' | 'to' | 'sets'> | undefined;
  /** Only clips of this set of it. */
  readonly set?: string | undefined;
  /** Only clips in this language. */
  readonly from?: string | undefined;
  /** Language to translate into. Default: the one that the models were trained for, or the only one of the manifest. */
  readonly to?: string | undefined;
  /** Task of the models. Default 'translate'. */
  readonly task?: Task | undefined;
  /** Model folders; the first is the baseline. Default: the embedded Whisper base. */
  readonly models?: readonly string[] | undefined;
  /** Prompts for translation. Default: the one that each model was trained with. */
  readonly promptKinds?: readonly PromptKind[] | undefined;
  /** Also measure Whisper's abilities from before training. Default false. */
  readonly forgetting?: boolean | undefined;
  /** Encoder window. Default 'fit'. */
  readonly window?: WindowMode | undefined;
  readonly decoding?: EvaluatedDecoding | undefined;
  /** Tokenizer of BLEU. Default: by the language. */
  readonly tokenize?: BleuTokenizer | undefined;
  /** SentencePiece model of the tokenizers flores101 and flores200. Default: sacreBLEU's. */
  readonly spmModel?: string | undefined;
  /** Folder for predictions, scores, tables and report. */
  readonly output: string;
  /** Reuse predictions of the same models, prompts and settings in `output`. Default false. */
  readonly resume?: boolean | undefined;
  /** File with the COMET scores of the texts in the output's folder comet. */
  readonly comet?: string | undefined;
  /** Paired test of each model against the first. Default 'randomization'. */
  readonly pairedTest?: PairedTest | undefined;
  /** Resamples, or trials of randomization. Default 1000 and 10000. */
  readonly samples?: number | undefined;
  /** Seed of the resampling. Default 12345. */
  readonly bootstrapSeed?: number | undefined;
  /** Sentences of each language in the report: those with the lowest scores. Default 5. */
  readonly worst?: number | undefined;
  /**
   * Decodes in other processes, such as `evaluatedOnWorkers`. Default: all is decoded in this one.
   * @internal
   */
  readonly elsewhere?: DecodeElsewhere | undefined;
}

export interface Evaluation {
  /** Content of `scores.json`. */
  readonly results: EvaluationResults;
  readonly tables: readonly NamedTable[];
  /** Predictions by model and prompt, without those about forgetting. */
  readonly systems: readonly SystemOutput[];
  /** Recordings, those that could not be read included. */
  readonly recordings: number;
  /** Path of the page. */
  readonly report: string;
}

/** Clips below which a bootstrap says nothing. */
const MIN_CLIPS = 20;

/** Evaluates models on a manifest. @throws UserError for mistakes in the options, before any long work */
export function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  return abortable(options.signal, () => lockFolder(options.output, () => run(options), options));
}

/** The manifest; of a data set that which is prepared of it. */
async function manifestOf(options: EvaluateOptions): Promise<string> {
  const {
    manifest,
    reading,
    from,
    set = 'test',
    to,
    task,
    forgetting,
    models = [embeddedModel],
    cache,
  } = options;
  if (!isDataset(manifest) && reading?.layout === undefined) return manifest;
  const targets = to !== undefined ? [to] : task === 'transcribe' ? [] : await trainedTargets(models);
  const written = [...new Set([...targets, ...(forgetting ? ['en'] : [])])];
  const { onProgress, onNote, onSkip, signal } = options;
  const prepared = await prepareDataset(
    manifest,
    {
      ...reading,
      from: from === undefined ? undefined : [from],
      to: written.length > 0 ? written : undefined,
      sets: [set],
    },
    { onProgress, onNote, onSkip, signal, folder: datasetFolder(cache) },
  );
  return prepared.manifest;
}

async function run(options: EvaluateOptions): Promise<Evaluation> {
  const manifest = await manifestOf(options);
  const { set, from, task = 'translate', window = 'fit', output, tokenize, spmModel } = options;
  const { models = [embeddedModel], decoding = {} } = options;
  if (options.promptKinds && task === 'transcribe') {
    throw new UserError('--prompt-kind: expected with --task translate; a transcript has one prompt only');
  }
  const all = await readManifest(manifest);
  const own = clipsOf(all, manifest, { set, language: from });
  // Recordings on both sides of a split are those of the whole manifest; repetitions count where they are tested.
  for (const note of repeatedClips(manifest, all)) options.onNote?.(note);
  for (const note of await knownRecordings(all, own, options)) options.onNote?.(note);
  if (own.length < MIN_CLIPS) {
    options.onNote?.(
      `${manifest}: ${plural(own.length, 'clip', 'clips')}: too few for scores with intervals and tests; ` +
        'expected some hundreds',
    );
  }
  const target =
    task === 'transcribe' ? (from ?? 'en') : (options.to ?? (await defaultTarget(manifest, own, models)));
  if (tokenize !== undefined || spmModel !== undefined) await loadBleuTokenizer(tokenize ?? '13a', spmModel);
  const { targetVocabulary: _, languageModel: __, ...plain } = decoding;
  const { onProgress, onNote, signal, comet } = options;
  const { results, outputs } = await evaluateModels({
    ...{ manifest, task, target, models, tokenize, window, output, onProgress, signal },
    version: packageVersion,
    selection: { set: set ?? null, language: from ?? null },
    clips: clipsOf(all, manifest, { set }),
    promptKinds: options.promptKinds,
    forgetting: Boolean(options.forgetting),
    cache: options.cache,
    cacheDtype: options.cacheDtype,
    cacheLimit: options.cacheLimit,
    resume: Boolean(options.resume),
    elsewhere: options.elsewhere,
    decoding: await evaluatedDecoding(decoding, window, target),
    plainDecoding: await evaluatedDecoding(plain, window, 'en'),
    resampling: {
      test: options.pairedTest ?? 'randomization',
      samples: options.samples,
      seed: options.bootstrapSeed ?? 12345,
    },
    comet:
      comet === undefined
        ? undefined
        : { file: comet, text: await readText(comet, 'scores that comet-score wrote') },
    onNote: (note) => onNote?.(note),
  });
  for (const { error } of results.unreadable) options.onSkip?.(error);
  const tables = evaluationTables(results);
  await writeTables(output, tables);
  await writeJson(join(output, 'scores.json'), results, 1);
  const report = join(output, 'report.html');
  const worst = await worstSentences(outputs, options.worst ?? 5);
  await writeWhole(report, evaluationReport(results, worst));
  return { results, tables, systems: outputs, recordings: recordingsOf(manifest, results, outputs), report };
}

const TABLE_FILES: readonly (readonly [TableFormat, string])[] = [
  ['markdown', 'md'],
  ['csv', 'csv'],
  ['latex', 'tex'],
];

async function writeTables(output: string, tables: readonly NamedTable[]): Promise<void> {
  for (const { name, render } of tables) {
    for (const [format, ending] of TABLE_FILES)
      await writeWhole(join(output, `${name}.${ending}`), render(format));
  }
}

function recordingsOf(
  manifest: string,
  { unreadable }: EvaluationResults,
  systems: readonly SystemOutput[],
): number {
  const names = new Set(unreadable.map(({ audio }) => audio));
  for (const { items } of systems) for (const { clip } of items) names.add(audioName(manifest, clip.audio));
  return names.size;
}
