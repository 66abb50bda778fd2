/** Speech-to-speech retrieval: does an utterance find its translation by encoder output alone? */
import { type Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import type { CacheDtype } from '../features/encoded-record.ts';
import { checkWritable, writeWhole } from '../files/write-whole.ts';
import { formatTable } from '../report/table-formats.ts';
import { ADJUSTMENTS, type Adjustment, retrievalMethods } from '../retrieval/methods.ts';
import { SIMILARITY_METRICS } from '../retrieval/metrics.ts';
import { retrievalPage } from '../retrieval/page.ts';
import type { Retrieval } from '../retrieval/retrieve.ts';
import { DEFAULT_SHORTLIST } from '../retrieval/shortlist.ts';
import type { SimilarityMatrix } from '../retrieval/study.ts';
import { retrievalColumns, retrievalCsvColumns, retrievalJson, retrievalRows } from '../retrieval/tables.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import {
  addCacheOptions,
  deviceOption,
  modelOption,
  positiveInteger,
  threadsOption,
  windowOption,
} from './options.ts';
import { showWork } from './show-work.ts';

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
  cache?: string;
  cacheDtype?: CacheDtype;
  cacheLimit?: number;
  json?: boolean;
  csv?: string;
  html?: string;
}

export function retrieveCommand(command: Command): Command {
  command
    .argument('<manifest>', 'TSV, CSV or JSONL manifest; clips with the same "key" are the same sentence')
    .addOption(modelOption())
    .addOption(threadsOption())
    .addOption(deviceOption())
    .option('--set <name>', 'use only this set of the manifest')
    .option('--from <code>', 'language of the queries')
    .option('--to <code>', 'language of the candidates')
    .addOption(
      new Option('--all-pairs', 'retrieve between all pairs of languages, in both directions').conflicts([
        'from',
        'to',
      ]),
    )
    .option(
      '--metrics <list>',
      `similarity metrics: ${Object.keys(SIMILARITY_METRICS).join(', ')}, each optionally with ` +
        `+${Object.keys(ADJUSTMENTS).join(', +')}; the first is the baseline of the tests`,
      'seqsim,mean-pool',
    )
    .option('--centre', "all metrics: subtract each language's mean frame")
    .option('--csls', 'all metrics: correct for hubs, clips that are near to everything (CSLS)')
    .option('--frame-weights', 'all metrics: weight frames by their rarity')
    .option('--drop-silence', 'all metrics: drop frames without speech (Silero VAD)')
    .addOption(
      new Option('--exact', 'compare all clips frame by frame, however long it takes').conflicts('shortlist'),
    )
    .option(
      '--shortlist <n>',
      `exact SeqSim only for the n most promising candidates of each query; default: ${DEFAULT_SHORTLIST} of many clips, all of few`,
      positiveInteger,
    )
    .addOption(windowOption());
  return addCacheOptions(
    command,
    'folder where encoder outputs, and the state of long comparisons, are kept between runs',
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
    .action(run);
}

async function run(manifest: string, options: Options): Promise<void> {
  const { from, to, allPairs, csv, html, json } = options;
  if (!allPairs && (from === undefined || to === undefined)) {
    throw new UserError('expected --from and --to, or --all-pairs');
  }
  for (const file of [csv, html]) if (file !== undefined) await checkWritable(file);
  const { retrieve } = await import('../retrieval/retrieve.ts');
  const matrices: SimilarityMatrix[] = [];
  const work = showWork('run again to continue');
  const found = await retrieve({
    ...options,
    ...work,
    clips: manifest,
    methods: retrievalMethods(options.metrics, adjustmentsOf(options)),
    onMatrix: (matrix) => html !== undefined && matrices.push(matrix),
  });
  if (csv !== undefined)
    await writeWhole(csv, formatTable(retrievalRows(found.pairs), retrievalCsvColumns, 'csv'));
  if (html !== undefined) await writeWhole(html, retrievalPage(found.pairs, matrices, found.clips));
  if (json) console.log(JSON.stringify(retrievalJson(found, Boolean(allPairs))));
  else print(found);
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

function print({ pairs, exact, shortlist, compareSeconds, seconds }: Retrieval): void {
  process.stdout.write(formatTable(retrievalRows(pairs), retrievalColumns, 'terminal'));
  if (pairs.some(({ variants }) => variants.length > 1)) {
    console.log('p: R@1 against the first metric of the pair, paired approximate randomisation');
  }
  const how = exact
    ? 'all pairs compared frame by frame'
    : `SeqSim: the ${shortlist} most promising targets of each compared frame by frame`;
  console.log(`${how}, ${compareSeconds.toFixed(1)} s (all: ${seconds.toFixed(1)} s)`);
}
