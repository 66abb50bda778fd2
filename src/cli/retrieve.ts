/** Speech-to-speech retrieval: does an utterance find its translation by encoder output alone? */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { Runtime } from '../backend/runtime.ts';
import { UserError } from '../errors.ts';
import { selectClips, storedClips } from '../features/encoded-clips.ts';
import { encodingName, entryName } from '../features/encoder-cache.ts';
import { formatNumber } from '../report/format.ts';
import { startProgress } from '../report/progress.ts';
import { formatTable } from '../report/table-formats.ts';
import type { ComparedClip } from '../retrieval/clip-blocks.ts';
import {
  ADJUSTMENTS,
  type Adjustment,
  type RetrievalMethod,
  retrievalMethods,
} from '../retrieval/methods.ts';
import { METRICS } from '../retrieval/metrics.ts';
import { retrievalPage } from '../retrieval/page.ts';
import { ParallelClips } from '../retrieval/parallel-clips.ts';
import { KeptRanks } from '../retrieval/parts.ts';
import { DEFAULT_SHORTLIST } from '../retrieval/shortlist.ts';
import {
  areQuickExactly,
  type PairResult,
  retrievalStudy,
  type SimilarityMatrix,
} from '../retrieval/study.ts';
import { retrievalColumns, retrievalCsvColumns, retrievalRows } from '../retrieval/tables.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { modelOption, positiveInteger, windowOption } from './options.ts';

/** Encoder outputs held in memory; what is beyond is read from the cache when it is compared. */
const MAX_HELD_BYTES = 2 ** 28;

interface Options {
  model: string;
  set?: string;
  from?: string;
  to?: string;
  allPairs?: boolean;
  metrics: string;
  centre?: boolean;
  csls?: boolean;
  frameWeights?: boolean;
  dropSilence?: boolean;
  exact?: boolean;
  shortlist?: number;
  window: WindowMode;
  cache: string;
  json?: boolean;
  csv?: string;
  html?: string;
}

export function retrieveCommand(command: Command): Command {
  return command
    .argument('<manifest>', 'TSV or JSONL manifest; clips with the same "key" are the same sentence')
    .addOption(modelOption())
    .option('--set <name>', 'use only this set of the manifest')
    .option('--from <code>', 'language of the utterances that search')
    .option('--to <code>', 'language of those that are searched')
    .addOption(
      new Option('--all-pairs', 'all pairs of languages, in both directions').conflicts(['from', 'to']),
    )
    .option(
      '--metrics <list>',
      `compare these, the first with each other: ${Object.keys(METRICS).join(', ')}; each may have ` +
        `+${Object.keys(ADJUSTMENTS).join(', +')} behind it`,
      'seqsim,mean-pool',
    )
    .option('--centre', "all metrics: subtract each language's mean frame")
    .option('--csls', 'all metrics: correct for clips that are near to everything')
    .option('--frame-weights', 'all metrics: frames count by how rare their like is')
    .option('--drop-silence', 'all metrics: leave out frames in which nobody speaks (Silero VAD)')
    .addOption(
      new Option('--exact', 'compare all clips frame by frame, however long it takes').conflicts('shortlist'),
    )
    .option(
      '--shortlist <n>',
      `SeqSim only of the n most promising targets of each clip; many clips: ${DEFAULT_SHORTLIST}, few: all`,
      positiveInteger,
    )
    .addOption(windowOption())
    .option(
      '--cache <dir>',
      'where encoder outputs are kept between runs, and what a long comparison that was stopped had found',
      'out/cache',
    )
    .option('--json', 'print the result as one JSON object')
    .option('--csv <file>', 'write the results as CSV')
    .option('--html <file>', 'write the results as one self-contained page with heat maps')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  $ whisper-transfer retrieve samples/manifest.tsv --set intro --from ca --to en\n' +
        '  $ whisper-transfer retrieve samples/manifest.tsv --set intro --all-pairs ' +
        '--metrics seqsim,seqsim+centre+csls,mean-pool,dtw,ot,length --html retrieval.html',
    )
    .action(retrieve);
}

async function retrieve(manifest: string, options: Options): Promise<void> {
  const { set, from, to } = options;
  const variants = retrievalMethods(options.metrics, adjustmentsOf(options));
  if (!options.allPairs && (from === undefined || to === undefined)) {
    throw new UserError('expected --from and --to, or --all-pairs');
  }
  const wanted = options.allPairs
    ? await selectClips(manifest, { set })
    : [
        ...(await selectClips(manifest, { set, language: to })),
        ...(from === to ? [] : await selectClips(manifest, { set, language: from })),
      ];
  const clips = options.allPairs ? wanted.filter(({ key }) => key !== '') : wanted;
  if (!options.allPairs && !haveCommonKey(clips, from!, to!)) throw noCommonSentence(manifest, options);
  const started = performance.now();
  // Done with before anything is compared: its memory is wanted for the clips.
  const { heard, encoding } = await withModel(WhisperModel.load(options.model), async (model) => ({
    heard: await storedClips(model, clips, { ...options, maxBytes: MAX_HELD_BYTES }),
    encoding: await encodingName(model, options.window),
  }));
  const runtime = new Runtime();
  try {
    const languages = new ParallelClips(heard);
    const pairs = options.allPairs ? languages.pairs() : [{ from: from!, to: to! }];
    if (!pairs.some((pair) => languages.shared(pair.from, pair.to).length > 0)) {
      throw noCommonSentence(manifest, options);
    }
    const exact = options.exact || (!options.shortlist && areQuickExactly(languages, pairs));
    const shortlist = exact ? undefined : (options.shortlist ?? DEFAULT_SHORTLIST);
    const total =
      variants.length *
      pairs.reduce((sum, pair) => sum + languages.of(pair.from).length * languages.of(pair.to).length, 0);
    const progress = startProgress('comparing pairs', total);
    const compareStarted = performance.now();
    const matrices: SimilarityMatrix[] = [];
    const results = await retrievalStudy(runtime, languages, pairs, {
      variants,
      shortlist,
      onMatrix: (matrix) => options.html && matrices.push(matrix),
      kept: keptRanks(encoding, languages, options),
      onProgress: (done, what) => progress.update(done, what),
      onKnown: (pairs) => {
        if (pairs === 0) return;
        process.stderr.write(`an earlier run compared ${formatNumber(pairs)} pairs; going on from there\n`);
        progress.skip(pairs);
      },
    });
    progress.done();
    const seconds = (since: number) => (performance.now() - since) / 1000;
    const facts: Facts = {
      exact,
      shortlist,
      compareSeconds: seconds(compareStarted),
      seconds: seconds(started),
    };
    if (options.csv)
      await writeFile(options.csv, formatTable(retrievalRows(results), retrievalCsvColumns, 'csv'));
    if (options.html) await writeFile(options.html, retrievalPage(results, matrices, languages));
    print(results, facts, options);
  } finally {
    await runtime.close();
  }
}

/** What earlier runs found of a comparison of the same recordings by the same encoder. */
function keptRanks(
  encoding: string,
  languages: ParallelClips<ComparedClip>,
  { cache }: Options,
): (comparison: string) => Promise<KeptRanks> {
  const recordings = async (): Promise<string> => {
    const hash = createHash('sha256').update(`${encoding}\n`);
    for (const language of languages.names) {
      for (const { clip } of languages.of(language)) {
        hash.update(`${language}\t${clip.key}\t${await entryName({ files: [clip.audio] })}\n`);
      }
    }
    return hash.digest('hex');
  };
  // Once for all comparisons, and only where one goes part by part: it looks at every file.
  let known: Promise<string> | undefined;
  return async (comparison) => {
    known ??= recordings();
    const hash = createHash('sha256').update(`${await known}\n${comparison}`);
    return KeptRanks.open(join(cache, 'retrieval', `${hash.digest('hex').slice(0, 32)}.jsonl`));
  };
}

function adjustmentsOf({ centre, csls, frameWeights, dropSilence }: Options): Adjustment[] {
  const flags: [Adjustment, boolean | undefined][] = [
    ['voiced', dropSilence],
    ['centre', centre],
    ['weights', frameWeights],
    ['csls', csls],
  ];
  return flags.flatMap(([name, on]) => (on ? [name] : []));
}

function haveCommonKey(
  clips: readonly { language: string; key: string }[],
  from: string,
  to: string,
): boolean {
  const keys = new Set(clips.filter(({ language }) => language === to).map(({ key }) => key));
  return clips.some(({ language, key }) => language === from && key !== '' && keys.has(key));
}

function noCommonSentence(manifest: string, { set, from, to, allPairs }: Options): UserError {
  const what = set ? ` of set "${set}"` : '';
  return new UserError(
    allPairs
      ? `${manifest}: no two languages${what} share two sentences; expected the same key on recordings of the same sentence`
      : `${manifest}: no "${from}" clip${what} that could be used has the key of a "${to}" clip; ` +
          'expected the same key on recordings of the same sentence',
  );
}

interface Facts {
  readonly exact: boolean;
  readonly shortlist: number | undefined;
  /** Time of all metrics. */
  readonly compareSeconds: number;
  /** Time of everything, loading the model and encoding counted. */
  readonly seconds: number;
}

function print(results: readonly PairResult[], facts: Facts, { json, allPairs }: Options): void {
  if (json) {
    const { shortlist, ...rest } = facts;
    const how = { ...rest, ...(shortlist !== undefined && { shortlist }) };
    console.log(
      JSON.stringify(allPairs ? { pairs: results.map(asJson), ...how } : { ...asJson(results[0]!), ...how }),
    );
    return;
  }
  process.stdout.write(formatTable(retrievalRows(results), retrievalColumns, 'terminal'));
  if (results.some(({ variants }) => variants.length > 1)) {
    console.log('p: R@1 against the first metric of the pair, paired approximate randomisation');
  }
  const how = facts.exact
    ? 'all pairs compared frame by frame'
    : `SeqSim: the ${facts.shortlist} most promising targets of each compared frame by frame`;
  console.log(`${how}, ${facts.compareSeconds.toFixed(1)} s (all: ${facts.seconds.toFixed(1)} s)`);
}

/** The first metric's numbers stand at the top, the mean frame's under its name, and all of them in `metrics`. */
function asJson({ from, to, keys, candidates, chance, variants }: PairResult) {
  const rates = ({ r1, r5, r10, mrr }: PairResult['variants'][number]) => ({
    r1: r1.value,
    r5: r5.value,
    r10: r10.value,
    mrr: mrr.value,
  });
  const [first] = variants;
  const baseline = variants.find(({ variant }) => variant.metric === 'mean-pool');
  const name = ({ name }: RetrievalMethod) => name;
  return {
    metric: name(first!.variant),
    from,
    to,
    n: keys.length,
    candidates,
    ...rates(first!),
    chance,
    ...(baseline && { meanPool: rates(baseline) }),
    metrics: variants.map(({ variant, ranks, pValue, ...estimates }) => ({
      metric: name(variant),
      ...estimates,
      ...(pValue !== undefined && { pValue }),
      ranks: Object.fromEntries(ranks.map((rank, i) => [keys[i], rank])),
    })),
  };
}
