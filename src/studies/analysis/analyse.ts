/** Analysis of an encoder: do languages share a space, at which layer, and by sound or by sense? */
import { abortable } from '../../abort.ts';
import { embeddedModel } from '../../checkpoint/embedded.ts';
import type { Clip } from '../../data/clip.ts';
import { UserError } from '../../errors.ts';
import { encodedClips, selectClips } from '../../features/encoded-clips.ts';
import { LayerCache } from '../../features/layer-cache.ts';
import { stageProgress, type WorkOptions } from '../../report/progress.ts';
import { retrievalMethods } from '../../retrieval/methods.ts';
import { retrievalFigures } from '../../retrieval/page.ts';
import { type ParallelClip, ParallelClips } from '../../retrieval/parallel-clips.ts';
import {
  areQuickExactly,
  type PairResult,
  retrievalStudy,
  type SimilarityMatrix,
} from '../../retrieval/study.ts';
import type { WindowMode } from '../../whisper/encoded-clip.ts';
import { WhisperModel } from '../../whisper/model.ts';
import { withModel } from '../../whisper/with-model.ts';
import { alignPair } from './alignment.ts';
import { alignmentFigure } from './alignment-figure.ts';
import { clipNamed, nothingShared, sharedSentences } from './compared-clips.ts';
import { canTranscribe, earlyExitFigure, earlyExitStudy } from './early-exit.ts';
import { layerFigures, layerStudy } from './layers.ts';
import { phoneticFigures, phoneticStudy } from './phonetic.ts';
import { Players } from './players.ts';
import { projectionFigures } from './projection.ts';
import { type Pronunciations, readPronunciations } from './pronunciations.ts';
import type { AnalysisParts, Neighbours } from './report.ts';
import { spokenTexts } from './spoken-texts.ts';

export interface AnalyseOptions extends WorkOptions {
  readonly manifest: string;
  readonly set?: string | undefined;
  /** Default: the embedded Whisper base. */
  readonly model?: string | undefined;
  readonly window: WindowMode;
  readonly cache: string;
  /** Retrieval methods, such as "seqsim,seqsim+csls". */
  readonly methods: string;
  /** Only this many of the sentences that all languages share. Default: all. */
  readonly sentences?: number | undefined;
  /** Retrieval at each encoder layer, or at these. */
  readonly layers?: true | readonly number[] | undefined;
  readonly layerMethods: string;
  /** Retrieval without sentences whose translations share words that look or sound alike. */
  readonly phonetic?: boolean | undefined;
  /** Pronunciation dictionaries by language. */
  readonly pronunciations: readonly (readonly [language: string, file: string])[];
  readonly project?: boolean | undefined;
  /** Pairs of clips ("ca:algebra_by") to align. */
  readonly pairs: readonly (readonly [from: string, to: string])[];
  /** Clips whose nearest neighbours are listed. */
  readonly neighbours: readonly string[];
  /** Word error rates from each encoder layer, or from these. */
  readonly earlyExit?: true | readonly number[] | undefined;
  /** Clips of each language. */
  readonly earlyExitClips: number;
}

export interface Analysis {
  readonly parts: AnalysisParts;
  /** The recordings that the page plays. */
  readonly players: Players;
}

/** Input that all parts share. */
interface Compared {
  readonly options: AnalyseOptions;
  readonly model: WhisperModel;
  /** All clips of the manifest and the set. */
  readonly all: readonly Clip[];
  /** Clips that are compared. */
  readonly encoded: readonly ParallelClip[];
  readonly clips: ParallelClips;
  readonly results: readonly PairResult[];
  readonly players: Players;
}

/** Runs an analysis. @throws UserError for options that do not fit the manifest or the model, before any long work */
export function analyse(options: AnalyseOptions): Promise<Analysis> {
  return abortable(options.signal, () => run(options));
}

async function run(options: AnalyseOptions): Promise<Analysis> {
  const { manifest, set, window, cache, model: directory = embeddedModel } = options;
  const methods = retrievalMethods(options.methods);
  retrievalMethods(options.layerMethods);
  const all = await selectClips(manifest, { set });
  const named = [...options.pairs.flat(), ...options.neighbours];
  const pronunciations = await readDictionaries(options, all);
  const chosen = sharedSentences(manifest, all, options.sentences, named);
  return withModel(WhisperModel.load(directory), async (model) => {
    const depth = model.dimensions.encoderLayers;
    const layers = chosenLayers(options.layers, depth);
    const exits = chosenLayers(options.earlyExit, depth);
    const encoded = await encodedClips(model, chosen, { ...events(options), window, cache });
    const clips = new ParallelClips(encoded);
    const pairs = clips.pairs();
    if (pairs.length === 0) throw nothingShared(manifest);
    for (const name of named) clipNamed(name, clips);
    if (!areQuickExactly(clips, pairs)) {
      throw new UserError(
        `${manifest}: ${chosen.length} clips are too many to compare frame by frame; expected --sentences`,
      );
    }
    const total =
      methods.length *
      pairs.reduce((sum, { from, to }) => sum + clips.of(from).length * clips.of(to).length, 0);
    const matrices: SimilarityMatrix[] = [];
    const results = await inStage(options, 'comparing pairs', total, (onProgress) =>
      retrievalStudy(model.runtime, clips, pairs, {
        variants: methods,
        onMatrix: (matrix) => matrices.push(matrix),
        onProgress,
      }),
    );
    const compared: Compared = { options, model, all, encoded, clips, results, players: new Players() };
    const parts: AnalysisParts = {
      model: `${directory}, window ${window}, ${encoded.length} clips of ${clips.names.join(', ')}`,
      retrieval: { results, figures: retrievalFigures(results, matrices, clips) },
      neighbours: options.neighbours.map((name) => neighboursOf(clipNamed(name, clips), clips, matrices)),
      ...(layers && { layers: await layerPart(compared, layers) }),
      ...(options.phonetic && { phonetic: await phoneticPart(compared, pronunciations) }),
      alignments: await alignmentPart(compared),
      ...(options.project && {
        projection: await projectionFigures(clips, compared.players.id, options.signal),
      }),
      ...(exits && { earlyExit: await earlyExitPart(compared, exits) }),
    };
    return { parts, players: compared.players };
  });
}

async function layerPart(
  { options, model, encoded }: Compared,
  layers: readonly number[],
): Promise<AnalysisParts['layers']> {
  const variants = retrievalMethods(options.layerMethods);
  const clips = encoded.map(({ clip }) => clip);
  const cache = await filledCache(model, clips, options);
  const results = await inStage(options, 'layers', 2 * layers.length, (onProgress) =>
    layerStudy(cache, clips, { layers, variants, onProgress: (done, _, note) => onProgress(done, note) }),
  );
  return {
    figures: layerFigures(results, variants),
    sentences: new Set(clips.map(({ key }) => key)).size,
  };
}

async function phoneticPart(
  { options, model, encoded, clips, results }: Compared,
  pronunciations: ReadonlyMap<string, Pronunciations>,
): Promise<AnalysisParts['phonetic']> {
  const texts = await inStage(options, 'transcribing', encoded.length, (onProgress) =>
    spokenTexts(model, encoded, (done) => onProgress(done)),
  );
  const { rows, sentences } = phoneticStudy(results, clips, texts, pronunciations);
  const transcribed = [...texts.values()].filter(({ by }) => by === 'model').length;
  return {
    rows,
    sentences,
    figures: phoneticFigures(rows),
    transcribed,
    phonemesOf: [...pronunciations.keys()],
  };
}

async function alignmentPart({
  options,
  model,
  clips,
  players,
}: Compared): Promise<AnalysisParts['alignments']> {
  const found: AnalysisParts['alignments'][number][] = [];
  for (const [from, to] of options.pairs) {
    const alignment = await alignPair(model, clipNamed(from, clips), clipNamed(to, clips));
    found.push({ alignment, figure: await alignmentFigure(alignment, players.id) });
  }
  return found;
}

async function earlyExitPart(
  { options, model, all, clips }: Compared,
  exits: readonly number[],
): Promise<AnalysisParts['earlyExit']> {
  const usable = clips.names.flatMap((language) =>
    all
      .filter((clip) => clip.language === language && canTranscribe(model, clip))
      .slice(0, options.earlyExitClips),
  );
  if (usable.length === 0) {
    throw new UserError(
      `${options.manifest}: no clip has its words ("text") and a language that the model has a token for`,
    );
  }
  const cache = await filledCache(model, usable, options);
  const rows = await inStage(options, 'early exit', exits.length * usable.length, (onProgress) =>
    earlyExitStudy(cache, usable, exits, (done, _, note) => onProgress(done, note)),
  );
  return { rows, figure: earlyExitFigure(rows, options.window) };
}

async function filledCache(
  model: WhisperModel,
  clips: readonly Clip[],
  options: AnalyseOptions,
): Promise<LayerCache> {
  const cache = await LayerCache.open(model, options.cache, options.window);
  const files = clips.map(({ audio }) => audio);
  await inStage(options, 'encoding layers', files.length, (onProgress) =>
    cache.fill(files, { onProgress, onError: (_, error) => options.onSkip?.(error.message) }),
  );
  return cache;
}

const events = ({ onProgress, onSkip, onNote, signal }: WorkOptions): WorkOptions => ({
  onProgress,
  onSkip,
  onNote,
  signal,
});

async function inStage<T>(
  options: WorkOptions,
  stage: string,
  total: number,
  work: (update: (done: number, note?: string) => void) => Promise<T>,
): Promise<T> {
  const update = stageProgress(options, stage, total);
  const result = await work(update);
  update(total);
  return result;
}

function neighboursOf(
  of: ParallelClip,
  clips: ParallelClips,
  matrices: readonly SimilarityMatrix[],
): Neighbours {
  const { variant } = matrices[0]!;
  const own = matrices.filter((matrix) => matrix.variant === variant && matrix.from === of.clip.language);
  const row = clips.of(of.clip.language).indexOf(of);
  const nearest = own.flatMap(({ to, values }) => {
    const candidates = clips.of(to);
    return candidates
      .map((clip, i) => ({ clip, score: values[row * candidates.length + i]! }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 10);
  });
  return { of, metric: variant.label, nearest };
}

/** Pronunciation dictionaries by language. @throws UserError where one cannot be used */
async function readDictionaries(
  { pronunciations, phonetic }: AnalyseOptions,
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

function chosenLayers(
  chosen: true | readonly number[] | undefined,
  depth: number,
): readonly number[] | undefined {
  if (chosen === undefined) return undefined;
  if (chosen === true) return Array.from({ length: depth + 1 }, (_, i) => i);
  const beyond = chosen.find((layer) => layer > depth);
  if (beyond !== undefined)
    throw new UserError(`found layer ${beyond}; expected 0 to ${depth}, as many as the encoder has`);
  return chosen;
}
