/** What a recipe is trained on: clips, their encoder outputs or log-mels, texts, target vocabulary, dev set. */
import { createHash } from 'node:crypto';
import { totalmem } from 'node:os';
import { dirname, relative } from 'node:path';
import { readAudio } from '../audio/audio-file.ts';
import { Augmentation } from '../audio/augment/augmentation.ts';
import type { Clip } from '../data/clip.ts';
import { clipFiles } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { encodedClips, selectClips } from '../features/encoded-clips.ts';
import { languageProfile } from '../language/profile.ts';
import { formatNumber } from '../report/format.ts';
import { startProgress } from '../report/progress.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { promptOf } from '../whisper/prompts.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';
import { targetVocabulary } from '../whisper/target-vocabulary.ts';
import type { Example } from './batches.ts';
import type { RunSettings } from './checkpoints.ts';
import { encodedSpeech, melSpeech } from './example-speech.ts';
import { translationExamples } from './examples.ts';
import { mergeClips } from './merge-clips.ts';
import type { Recipe } from './recipe.ts';
import type { DevSet } from './run.ts';
import { tunesEncoder } from './tuned-weights.ts';

/** A clip and its place among `data.corpora`. */
type CorpusClip = Clip & { readonly corpus: number };

/** Clips that a recipe names, before anything is heard. */
export interface RecipeClips {
  readonly training: readonly CorpusClip[];
  readonly dev: readonly CorpusClip[];
}

export interface TrainingData {
  readonly examples: readonly Example[];
  /** Clips that give no example, by reason. */
  readonly leftOut: ReadonlyMap<string, number>;
  /** What became of the clips before, a line each. */
  readonly told: readonly string[];
  readonly development: DevSet | undefined;
  readonly vocabulary: TargetVocabulary | undefined;
  /** What the files held: a run goes on only with the same. */
  readonly fingerprints: RunSettings;
}

/** Room for the longest prompt and the end of text. */
const PROMPT_TOKENS = 8;
/** Versions of each clip where the encoder is not tuned and the recipe names no number. */
const COPIES = 3;
/** Of the machine's memory, for encoder outputs or log-mels; what is beyond is read again when it is needed. */
const HELD_SHARE = 0.25;

/** @throws UserError where a manifest has no such clips */
export async function recipeClips({ data, dev }: Recipe): Promise<RecipeClips> {
  const training: CorpusClip[] = [];
  const found = new Map<string, CorpusClip>();
  const manifests = new Set<string>();
  for (const [corpus, { manifest, set, language }] of data.corpora.entries()) {
    const all = await selectClips(manifest, { ...(language !== undefined && { language }) });
    const chosen = set === undefined ? all : await selectClips(manifest, data.corpora[corpus]!);
    const clips = chosen.filter((clip) => dev === undefined || clip.set !== dev.set);
    training.push(...clips.map((clip) => ({ ...clip, corpus })));
    manifests.add(manifest);
    for (const clip of all) {
      if (clip.set === dev?.set && !found.has(clip.audio)) found.set(clip.audio, { ...clip, corpus });
    }
  }
  if (!dev) return { training, dev: [] };
  if (found.size === 0) {
    throw new UserError(
      `${[...manifests].join(', ')}: no clip in set "${dev.set}"; expected the dev set's in one of them`,
    );
  }
  return { training, dev: inTurns([...found.values()]).slice(0, dev.clips) };
}

/** One of each corpus, then the next of each: a few at the start stand for all. */
function inTurns(clips: readonly CorpusClip[]): CorpusClip[] {
  const turns = new Map<number, number>();
  const placed = clips.map((clip) => {
    const turn = turns.get(clip.corpus) ?? 0;
    turns.set(clip.corpus, turn + 1);
    return { clip, turn };
  });
  return placed.sort((a, b) => a.turn - b.turn).map(({ clip }) => clip);
}

export async function trainingData(
  model: WhisperModel,
  recipe: Recipe,
  clips: RecipeClips,
): Promise<TrainingData> {
  const { data, dev, tune } = recipe;
  const words = await wordsOf(model, recipe.targetVocabulary);
  const ofExamples = {
    target: recipe.target,
    promptOf: (language: string, target: string) => promptOf(model.tokens, recipe.prompt, target, language),
  };
  const augmentation = recipe.augment && (await Augmentation.open(recipe.augment, recipe.optimizer.seed));
  const told: string[] = [];
  const merged = await mergedClips(model, recipe, clips.training);
  if (merged.length < clips.training.length) {
    told.push(
      `merged: ${formatNumber(clips.training.length)} clips into ${formatNumber(merged.length)} of at most ` +
        `${data.mergeSeconds} s`,
    );
  }
  const copies = augmentation && !tunesEncoder(tune) ? (recipe.augment?.copies ?? COPIES) : 1;
  const progress = startProgress('reading clips', merged.length * copies);
  let unread = 0;
  const speech = {
    window: data.window,
    cache: data.cache,
    augmentation,
    maxBytes: HELD_SHARE * totalmem(),
    onProgress: (done: number) => progress.update(done),
    onLeftOut: (message: string) => {
      unread++;
      process.stderr.write(`left out: ${message}\n`);
    },
  };
  const pairs = tunesEncoder(tune)
    ? await melSpeech(model, merged, speech)
    : await encodedSpeech(model, merged, copies, speech);
  progress.done();
  if (pairs.length === 0) throw new UserError('no clip can be read');
  if (copies > 1) told.push(`augmented: ${copies} versions of each clip, encoded once`);
  const leftOut = new Map<string, number>();
  const examples = translationExamples(model, pairs, {
    ...ofExamples,
    onLeftOut: (_, reason) => leftOut.set(reason, (leftOut.get(reason) ?? 0) + 1 / copies),
  }).map((example) => ({ ...example, corpus: example.source.corpus }));
  if (unread > 0) leftOut.set('cannot be read', unread);
  const devExamples =
    dev && translationExamples(model, await encodedClips(model, clips.dev, data), ofExamples);
  const vocabulary = words && withReferences(words, examples, model);
  return {
    examples,
    leftOut,
    told,
    development: devExamples && {
      examples: devExamples,
      encode: tunesEncoder(tune)
        ? async () =>
            model.encode(
              await Promise.all(devExamples.map(({ source }) => readAudio(source!.audio))),
              data.window,
            )
        : undefined,
      every: dev.every,
      target: recipe.target,
      patience: dev.patience,
      best: dev.best,
    },
    vocabulary,
    fingerprints: {
      clips: selectionHash(recipe, examples),
      ...(augmentation && { augmentation: augmentation.fingerprint }),
      ...(devExamples && { devClips: selectionHash(recipe, devExamples) }),
      ...(vocabulary && { vocabulary: hash(vocabulary.words.join()) }),
    },
  };
}

/** Short clips joined, each corpus for itself, where the recipe says so. */
async function mergedClips(
  { tokens, dimensions }: WhisperModel,
  { data, target }: Recipe,
  clips: readonly CorpusClip[],
): Promise<readonly CorpusClip[]> {
  if (data.mergeSeconds === undefined) return clips;
  const fits = (text: string): boolean =>
    tokens.encode(languageProfile(target).reference(text)).length + PROMPT_TOKENS <= dimensions.textPositions;
  const merged: CorpusClip[] = [];
  for (const corpus of data.corpora.keys()) {
    const own = clips.filter((clip) => clip.corpus === corpus);
    const joined = await mergeClips(own, target, { seconds: data.mergeSeconds, fits });
    merged.push(...joined.map((clip) => ({ ...clip, corpus })));
  }
  return merged;
}

/** The words of the recipe's text file, if it names one; undefined without a target vocabulary. */
async function wordsOf(
  model: WhisperModel,
  source: string | true | undefined,
): Promise<TargetVocabulary | undefined> {
  return source === true
    ? { source: 'training references', words: [] }
    : await targetVocabulary(model, source);
}

function withReferences(
  { source, words }: TargetVocabulary,
  examples: readonly Example[],
  { tokens: { endOfText } }: WhisperModel,
): TargetVocabulary {
  const wanted = new Set(words);
  for (const { tokens } of examples) {
    for (const id of tokens) if (id < endOfText) wanted.add(id);
  }
  return { source, words: [...wanted].sort((a, b) => a - b) };
}

/** Which clips, in which order, with which texts and windows. */
function selectionHash({ data }: Recipe, examples: readonly Example[]): string {
  const lines = examples.map(({ source, clip, tokens }) => {
    const { corpus } = source as CorpusClip;
    const folder = dirname(data.corpora[corpus]!.manifest);
    const files = clipFiles(source!).map((file) => relative(folder, file));
    return [corpus, ...files, clip.window, clip.length, ...tokens];
  });
  return `${examples.length} (${hash(JSON.stringify(lines))})`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
