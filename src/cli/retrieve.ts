/** `whisper-transfer retrieve`: does speech in one language find its translation in another? */
import { Command, Option } from 'commander';
import { UserError } from '../errors.ts';
import { startProgress } from '../report/progress.ts';
import { table } from '../report/terminal.ts';
import { type Recall, recall } from '../retrieval/recall.ts';
import { meanPoolMatrix, seqSimMatrix } from '../retrieval/seq-sim.ts';
import { DEFAULT_SHORTLIST, isQuickExactly, shortlistedSeqSim } from '../retrieval/shortlist.ts';
import type { Clip } from '../speech/manifest.ts';
import { type EncodedClip, WhisperModel, type Window } from '../whisper/model.ts';
import { encodedClips, selectClips } from './encoded-clips.ts';
import { modelOption, positiveInteger, windowOption, withModel } from './options.ts';

interface Options {
  model: string;
  set?: string;
  from: string;
  to: string;
  exact?: boolean;
  shortlist?: number;
  window: Window;
  cache: string;
  json?: boolean;
}

export function retrieveCommand(): Command {
  return new Command('retrieve')
    .description(
      'find each utterance of one language among those of another, by encoder output alone (SeqSim), and count how ' +
        'often its translation comes first',
    )
    .argument('<manifest>', 'TSV or JSONL manifest; clips with the same "key" are the same sentence')
    .addOption(modelOption())
    .option('--set <name>', 'use only this set of the manifest')
    .requiredOption('--from <code>', 'language of the utterances that search')
    .requiredOption('--to <code>', 'language of those that are searched')
    .addOption(
      new Option('--exact', 'compare all clips frame by frame, however long it takes').conflicts('shortlist'),
    )
    .option(
      '--shortlist <n>',
      `compare frame by frame only the n most promising targets of each clip; many clips: ${DEFAULT_SHORTLIST}, few: all`,
      positiveInteger,
    )
    .addOption(windowOption())
    .option('--cache <dir>', 'where encoder outputs are kept between runs', 'out/cache')
    .option('--json', 'print the result as one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer retrieve samples/manifest.tsv --set intro --from ca --to en',
    )
    .action(retrieve);
}

async function retrieve(manifest: string, options: Options): Promise<void> {
  const { set, from, to } = options;
  const targets = firstOfEachSentence(await selectClips(manifest, { set, language: to }));
  const sources = answered(await selectClips(manifest, { set, language: from }), targets);
  if (sources.length === 0) throw noCommonSentence(manifest, options);
  await withModel(WhisperModel.load(options.model), async (model) => {
    const started = performance.now();
    const clips = from === to ? targets : [...targets, ...sources];
    const heard = new Map(
      (await encodedClips(model, clips, options)).map(({ clip, encoded }) => [clip, encoded]),
    );
    const candidates = targets.filter((clip) => heard.has(clip));
    const queries = answered(sources, candidates).filter((clip) => heard.has(clip));
    if (queries.length === 0) throw noCommonSentence(manifest, options);
    const place = new Map(candidates.map(({ key }, i) => [key, i]));
    const answer = queries.map(({ key }) => place.get(key)!);
    const encoded = (of: readonly Clip[]): EncodedClip[] => of.map((clip) => heard.get(clip)!);
    const compared = await compare(model, encoded(queries), encoded(candidates), options);
    const meanPool = await meanPoolMatrix(model.runtime, encoded(queries), encoded(candidates));
    const rates = (matrix: Float32Array): Recall => recall(matrix, queries.length, candidates.length, answer);
    const { chance: _, ...baseline } = rates(meanPool);
    print(
      {
        metric: 'seqsim',
        from,
        to,
        n: queries.length,
        candidates: candidates.length,
        ...rates(compared.matrix),
        meanPool: baseline,
        exact: compared.shortlist === undefined,
        ...(compared.shortlist !== undefined && { shortlist: compared.shortlist }),
        compareSeconds: compared.seconds,
        seconds: (performance.now() - started) / 1000,
      },
      Boolean(options.json),
    );
  });
}

/** A second recording of a sentence would count as a wrong answer where it is found. */
function firstOfEachSentence(clips: readonly Clip[]): Clip[] {
  const seen = new Set<string>();
  return clips.filter(({ key }) => key === '' || (!seen.has(key) && seen.add(key)));
}

/** The clips whose sentence is among the targets. */
function answered(clips: readonly Clip[], targets: readonly Clip[]): Clip[] {
  const keys = new Set(targets.map(({ key }) => key));
  return clips.filter(({ key }) => key !== '' && keys.has(key));
}

function noCommonSentence(manifest: string, { set, from, to }: Options): UserError {
  return new UserError(
    `${manifest}: no "${from}" clip${set ? ` of set "${set}"` : ''} that could be used has the key of a "${to}" clip; ` +
      'expected the same key on recordings of the same sentence',
  );
}

/** `shortlist` is undefined where all pairs were compared frame by frame. */
async function compare(
  { runtime }: WhisperModel,
  queries: readonly EncodedClip[],
  candidates: readonly EncodedClip[],
  options: Options,
): Promise<{ matrix: Float32Array; shortlist: number | undefined; seconds: number }> {
  const started = performance.now();
  const exact = options.exact || (!options.shortlist && isQuickExactly(queries, candidates));
  const shortlist = exact ? undefined : Math.min(options.shortlist ?? DEFAULT_SHORTLIST, candidates.length);
  const pairs = queries.length * candidates.length;
  const progress = startProgress('comparing pairs', pairs);
  const matrix =
    shortlist === undefined
      ? await seqSimMatrix(runtime, queries, candidates, (done) => progress.update(done))
      : await shortlistedSeqSim(runtime, queries, candidates, {
          shortlist,
          onProgress: (share) => progress.update(Math.round(share * pairs)),
        });
  progress.done();
  return { matrix, shortlist, seconds: (performance.now() - started) / 1000 };
}

interface Result extends Recall {
  readonly metric: 'seqsim';
  readonly from: string;
  readonly to: string;
  /** Utterances that search. */
  readonly n: number;
  readonly candidates: number;
  readonly meanPool: Omit<Recall, 'chance'>;
  readonly exact: boolean;
  readonly shortlist?: number;
  /** Time of SeqSim alone. */
  readonly compareSeconds: number;
  /** Time of everything but loading the model. */
  readonly seconds: number;
}

function print(result: Result, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(result));
    return;
  }
  const { from, to, n, candidates, chance } = result;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const blind = (k: number): string => percent(Math.min(1, k * chance));
  const rows = [
    { name: 'SeqSim', r1: result.r1, r5: result.r5, r10: result.r10, mrr: result.mrr.toFixed(3) },
    { name: 'mean frame', ...result.meanPool, mrr: result.meanPool.mrr.toFixed(3) },
  ].map((row) => ({ ...row, r1: percent(row.r1), r5: percent(row.r5), r10: percent(row.r10) }));
  console.log(`${from} → ${to}: ${n} utterances among ${candidates}`);
  process.stdout.write(
    table(
      [...rows, { name: 'chance', r1: blind(1), r5: blind(5), r10: blind(10), mrr: '' }],
      [
        { heading: '', value: (row) => row.name },
        { heading: 'R@1', value: (row) => row.r1, align: 'right' },
        { heading: 'R@5', value: (row) => row.r5, align: 'right' },
        { heading: 'R@10', value: (row) => row.r10, align: 'right' },
        { heading: 'MRR', value: (row) => row.mrr, align: 'right' },
      ],
    ),
  );
  const how = result.exact
    ? 'all pairs compared frame by frame'
    : `the ${result.shortlist} most promising targets of each compared frame by frame`;
  console.log(`${how}, ${result.compareSeconds.toFixed(1)} s (all: ${result.seconds.toFixed(1)} s)`);
}
