/** Do languages share a space in this encoder, where, and why? */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Clip } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { encodedClips, selectClips } from '../features/encoded-clips.ts';
import { LayerCache } from '../features/layer-cache.ts';
import { type Figure, writeFigures } from '../report/figure.ts';
import { startProgress } from '../report/progress.ts';
import { formatTable } from '../report/table-formats.ts';
import { retrievalMethods } from '../retrieval/methods.ts';
import { retrievalFigures } from '../retrieval/page.ts';
import { type HeardClip, ParallelClips } from '../retrieval/parallel-clips.ts';
import { areQuickExactly, retrievalStudy, type SimilarityMatrix } from '../retrieval/study.ts';
import { retrievalCsvColumns, retrievalRows } from '../retrieval/tables.ts';
import { alignPair } from '../studies/analysis/alignment.ts';
import { alignmentFigure } from '../studies/analysis/alignment-figure.ts';
import { canBeAsked, earlyExitFigure, earlyExitStudy } from '../studies/analysis/early-exit.ts';
import { layerFigures, layerStudy } from '../studies/analysis/layers.ts';
import { phoneticFigures, phoneticStudy } from '../studies/analysis/phonetic.ts';
import { Players } from '../studies/analysis/players.ts';
import { projectionFigures } from '../studies/analysis/projection.ts';
import { type Pronunciations, readPronunciations } from '../studies/analysis/pronunciations.ts';
import { type AnalysisParts, analysisPage, type Neighbours } from '../studies/analysis/report.ts';
import { spokenTexts } from '../studies/analysis/spoken-texts.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { modelOption, positiveInteger, windowOption } from './options.ts';

interface Options {
  model: string;
  set?: string;
  metrics: string;
  sentences?: number;
  layers?: true | number[];
  layerMetrics: string;
  phonetic?: boolean;
  pronunciations: [string, string][];
  project?: boolean;
  pair: [string, string][];
  neighbours: string[];
  earlyExit?: true | number[];
  earlyExitClips: number;
  window: WindowMode;
  cache: string;
  outputDir: string;
}

export function analyseCommand(command: Command): Command {
  return command
    .argument('<manifest>', 'TSV or JSONL manifest; clips with the same "key" are the same sentence')
    .addOption(modelOption())
    .option('--set <name>', 'use only this set of the manifest')
    .option(
      '--metrics <list>',
      'retrieval by these, as in `retrieve`',
      'seqsim,seqsim+csls,seqsim+centre+csls,mean-pool,length',
    )
    .option('--sentences <n>', 'only so many of the sentences that all languages share', positiveInteger)
    .option('--layers [list]', 'retrieval at each encoder layer, or at these ("0,3,6")', layerList)
    .option('--layer-metrics <list>', 'at each layer by these', 'seqsim,mean-pool')
    .option(
      '--phonetic',
      'retrieval without sentences whose translations share words that look or sound alike',
    )
    .option(
      '--pronunciations <lang=file>',
      'words of a language and their phonemes (ipa-dict, WikiPron), for --phonetic; may be given often',
      (text: string, all: [string, string][]): [string, string][] => [...all, fileOfLanguage(text)],
      [],
    )
    .option('--project', 'all utterances in a plane, by principal components and UMAP')
    .option(
      '--pair <from:key,to:key>',
      'which stretches of one clip matched which of another, e.g. ca:algebra_by,en:algebra_by; may be given often',
      (text: string, all: [string, string][]): [string, string][] => [...all, pairOf(text)],
      [],
    )
    .option(
      '--neighbours <lang:key>',
      'the ten clips of each other language most like this one; may be given often',
      (text: string, all: string[]) => [...all, text],
      [],
    )
    .option('--early-exit [list]', 'word error rates from each encoder layer, or from these', layerList)
    .option('--early-exit-clips <n>', 'so many clips of each language', positiveInteger, 20)
    .addOption(windowOption())
    .option('--cache <dir>', 'where encoder outputs are kept between runs', 'out/cache')
    .option('--output-dir <dir>', 'where report.html and the figures are written', 'out/analysis')
    .addHelpText(
      'after',
      '\nExample:\n  $ whisper-transfer analyse samples/manifest.tsv --set intro --sentences 40 --layers --phonetic ' +
        '--project --pair ca:algebra_by,en:algebra_by --neighbours ca:algebra_by',
    )
    .action(analyse);
}

async function analyse(manifest: string, options: Options): Promise<void> {
  const variants = retrievalMethods(options.metrics);
  const layerVariants = retrievalMethods(options.layerMetrics);
  const all = await selectClips(manifest, { set: options.set });
  const named = [...options.pair.flat(), ...options.neighbours];
  const pronunciations = await givenPronunciations(options, all);
  const clips = sharedSentences(manifest, all, options.sentences, named);
  await withModel(WhisperModel.load(options.model), async (model) => {
    const depth = model.dimensions.encoderLayers;
    const layers = chosenLayers(options.layers, depth);
    const exits = chosenLayers(options.earlyExit, depth);
    const players = new Players();
    const heard = await encodedClips(model, clips, options);
    const languages = new ParallelClips(heard);
    const pairs = languages.pairs();
    if (pairs.length === 0) throw nothingShared(manifest);
    for (const name of named) clipNamed(name, languages); // before anything long begins
    if (!areQuickExactly(languages, pairs)) {
      throw new UserError(
        `${manifest}: ${clips.length} clips are too many to compare frame by frame; expected --sentences`,
      );
    }
    const matrices: SimilarityMatrix[] = [];
    const total =
      variants.length *
      pairs.reduce((sum, { from, to }) => sum + languages.of(from).length * languages.of(to).length, 0);
    const results = await shown('comparing pairs', total, (update) =>
      retrievalStudy(model.runtime, languages, pairs, {
        variants,
        onMatrix: (matrix) => matrices.push(matrix),
        onProgress: update,
      }),
    );
    const parts: { -readonly [key in keyof AnalysisParts]: AnalysisParts[key] } = {
      model: `${options.model}, window ${options.window}, ${heard.length} clips of ${languages.names.join(', ')}`,
      retrieval: { results, figures: retrievalFigures(results, matrices, languages) },
      alignments: [],
      neighbours: options.neighbours.map((name) =>
        neighboursOf(clipNamed(name, languages), languages, matrices),
      ),
    };
    if (layers) {
      const cache = await filledCache(
        model,
        heard.map(({ clip }) => clip),
        options,
      );
      const found = await shown('layers', 2 * layers.length, (update) =>
        layerStudy(
          cache,
          heard.map(({ clip }) => clip),
          {
            layers,
            variants: layerVariants,
            onProgress: (done, _, what) => update(done, what),
          },
        ),
      );
      const sentences = new Set(heard.map(({ clip }) => clip.key)).size;
      parts.layers = { figures: layerFigures(found, layerVariants), sentences };
    }
    if (options.phonetic) {
      const texts = await shown('transcribing', heard.length, (update) =>
        spokenTexts(model, heard, (done) => update(done)),
      );
      const { rows, sentences } = phoneticStudy(results, languages, texts, pronunciations);
      const transcribed = [...texts.values()].filter(({ by }) => by === 'model').length;
      parts.phonetic = {
        ...{ rows, sentences, figures: phoneticFigures(rows), transcribed },
        phonemesOf: [...pronunciations.keys()],
      };
    }
    for (const [from, to] of options.pair) {
      const alignment = await alignPair(model, clipNamed(from, languages), clipNamed(to, languages));
      parts.alignments = [
        ...parts.alignments,
        { alignment, figure: await alignmentFigure(alignment, players.id) },
      ];
    }
    if (options.project) parts.projection = await projectionFigures(languages, players.id);
    if (exits) {
      const asked = languages.names.flatMap((language) =>
        all
          .filter((clip) => clip.language === language && canBeAsked(model, clip))
          .slice(0, options.earlyExitClips),
      );
      if (asked.length === 0) {
        throw new UserError(
          `${manifest}: no clip has its words ("source_text") and a language that the model has a token for`,
        );
      }
      const cache = await filledCache(model, asked, options);
      const rows = await shown('early exit', exits.length * asked.length, (update) =>
        earlyExitStudy(cache, asked, exits, (done, _, what) => update(done, what)),
      );
      parts.earlyExit = { rows, figure: earlyExitFigure(rows, options.window) };
    }
    await write(options.outputDir, parts, players);
  });
}

async function write(directory: string, parts: AnalysisParts, players: Players): Promise<void> {
  const figures: Figure[] = [
    ...parts.retrieval.figures,
    ...(parts.layers?.figures ?? []),
    ...(parts.phonetic?.figures ?? []),
    ...parts.alignments.map(({ figure }) => figure),
    ...(parts.projection ?? []),
    ...(parts.earlyExit ? [parts.earlyExit.figure] : []),
  ];
  await mkdir(directory, { recursive: true });
  await writeFigures(join(directory, 'figures'), figures);
  const rows = retrievalRows(parts.retrieval.results);
  await writeFile(join(directory, 'retrieval.csv'), formatTable(rows, retrievalCsvColumns, 'csv'));
  const page = join(directory, 'report.html');
  await writeFile(page, await analysisPage(parts, players));
  console.log(
    `${page}: ${figures.length} figures, each also in ${join(directory, 'figures')} as .svg and .csv`,
  );
}

/** Runs `work` with its progress shown. */
async function shown<T>(
  label: string,
  total: number,
  work: (update: (done: number, note?: string) => void) => Promise<T>,
): Promise<T> {
  const progress = startProgress(label, total);
  const result = await work((done, note) => progress.update(done, note));
  progress.update(total);
  progress.done('');
  return result;
}

async function filledCache(
  model: WhisperModel,
  clips: readonly Clip[],
  options: Options,
): Promise<LayerCache> {
  const cache = await LayerCache.open(model, options.cache, options.window);
  await shown('encoding layers', clips.length, (update) =>
    cache.fill(
      clips.map(({ audio }) => audio),
      {
        onProgress: (done) => update(done),
        onError: (_, error) => process.stderr.write(`left out: ${error.message}\n`),
      },
    ),
  );
  return cache;
}

/**
 * Clips with a key; with `count` only those of so many sentences that every language has, evenly over their keys.
 * @param kept clips ("ca:algebra_by") whose sentences stay in any case
 */
function sharedSentences(
  manifest: string,
  clips: readonly Clip[],
  count: number | undefined,
  kept: readonly string[],
): Clip[] {
  const named = clips.filter(({ key }) => key !== '');
  if (count === undefined) return named;
  const languages = new Set(named.map(({ language }) => language));
  const speaking = new Map<string, Set<string>>();
  for (const { key, language } of named) speaking.set(key, (speaking.get(key) ?? new Set()).add(language));
  const shared = [...speaking]
    .filter(([, own]) => own.size === languages.size)
    .map(([key]) => key)
    .sort();
  if (shared.length < 2 || languages.size < 2) throw nothingShared(manifest);
  const step = Math.max(1, shared.length / count);
  const chosen = new Set(
    shared.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)).slice(0, count),
  );
  for (const name of kept) chosen.add(name.slice(name.indexOf(':') + 1));
  return named.filter(({ key }) => chosen.has(key));
}

function nothingShared(manifest: string): UserError {
  return new UserError(
    `${manifest}: no two languages share two sentences; expected the same key on recordings of the same sentence`,
  );
}

function neighboursOf(
  of: HeardClip,
  languages: ParallelClips,
  matrices: readonly SimilarityMatrix[],
): Neighbours {
  const { variant } = matrices[0]!;
  const own = matrices.filter((matrix) => matrix.variant === variant && matrix.from === of.clip.language);
  const row = languages.of(of.clip.language).indexOf(of);
  const nearest = own.flatMap(({ to, values }) => {
    const candidates = languages.of(to);
    return candidates
      .map((clip, i) => ({ clip, score: values[row * candidates.length + i]! }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 10);
  });
  return { of, metric: variant.label, nearest };
}

function clipNamed(name: string, languages: ParallelClips): HeardClip {
  const [language, ...key] = name.split(':');
  const found = languages.of(language!).find(({ clip }) => clip.key === key.join(':'));
  if (!found) {
    throw new UserError(
      `found no clip "${name}" among those compared; expected language:key, e.g. ${languages.names[0]}:${languages.of(languages.names[0]!)[0]!.clip.key}`,
    );
  }
  return found;
}

function pairOf(text: string): [string, string] {
  const [from, to, ...more] = text.split(',');
  if (!from || !to || more.length > 0) {
    throw new UserError(`found the pair "${text}"; expected two clips, e.g. ca:algebra_by,en:algebra_by`);
  }
  return [from, to];
}

function fileOfLanguage(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) {
    throw new UserError(
      `found the pronunciations "${text}"; expected a language and a file, e.g. fr=fr_FR.tsv`,
    );
  }
  return [text.slice(0, at), text.slice(at + 1)];
}

/** By language. @throws UserError where one is of no use */
async function givenPronunciations(
  { pronunciations, phonetic }: Options,
  clips: readonly Clip[],
): Promise<Map<string, Pronunciations>> {
  const found = new Map<string, Pronunciations>();
  if (pronunciations.length > 0 && !phonetic)
    throw new UserError('--pronunciations is for --phonetic; expected both');
  for (const [language, file] of pronunciations) {
    if (!clips.some((clip) => clip.language === language)) {
      throw new UserError(
        `--pronunciations ${language}=${file}: found no clip of this language; expected a code such as fr`,
      );
    }
    found.set(language, await readPronunciations(file));
  }
  return found;
}

function layerList(text: string): number[] {
  const layers = text.split(',').map(Number);
  if (!layers.every((layer) => Number.isSafeInteger(layer) && layer >= 0)) {
    throw new UserError(`found the layers "${text}"; expected whole numbers such as 0,3,6`);
  }
  return layers;
}

function chosenLayers(chosen: true | number[] | undefined, depth: number): number[] | undefined {
  if (chosen === undefined) return undefined;
  if (chosen === true) return Array.from({ length: depth + 1 }, (_, i) => i);
  const beyond = chosen.find((layer) => layer > depth);
  if (beyond !== undefined)
    throw new UserError(`found layer ${beyond}; expected 0 to ${depth}, as many as the encoder has`);
  return chosen;
}
