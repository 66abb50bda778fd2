/** What a recipe is trained on: clips, their encoder outputs or log-mels, texts, target vocabulary, dev set. */
import { createHash } from 'node:crypto';
import { dirname, relative } from 'node:path';
import { UserError } from '../errors.ts';
import { readAudio } from '../speech/audio-file.ts';
import type { Clip } from '../speech/manifest.ts';
import type { Example } from '../training/batches.ts';
import type { RunSettings } from '../training/checkpoints.ts';
import { translationExamples } from '../training/examples.ts';
import type { Recipe } from '../training/recipe.ts';
import type { Development } from '../training/run.ts';
import { tunesEncoder } from '../training/tuned-weights.ts';
import { type MelClip, melClip } from '../whisper/mel-batch.ts';
import type { WhisperModel, Window } from '../whisper/model.ts';
import { promptOf } from '../whisper/prompts.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';
import { targetVocabulary } from './decoding-options.ts';
import { encodedClips, selectClips } from './encoded-clips.ts';

/** Clips that a recipe names, before anything is heard. */
export interface RecipeClips {
  readonly training: readonly Clip[];
  readonly dev: readonly Clip[];
}

export interface TrainingData {
  readonly examples: readonly Example[];
  /** Clips that give no example, by reason. */
  readonly leftOut: ReadonlyMap<string, number>;
  readonly development: Development | undefined;
  readonly vocabulary: TargetVocabulary | undefined;
  /** What the files held: a run goes on only with the same. */
  readonly fingerprints: RunSettings;
}

/** @throws UserError where a manifest has no such clips */
export async function recipeClips({ data, dev }: Recipe): Promise<RecipeClips> {
  const [corpus] = data.corpora;
  const training = (await selectClips(corpus!.manifest, corpus!)).filter(
    ({ set }) => dev === undefined || set !== dev.set,
  );
  if (!dev) return { training, dev: [] };
  const found = await selectClips(corpus!.manifest, { ...corpus!, set: dev.set });
  return { training, dev: found.slice(0, dev.clips) };
}

export async function trainingData(
  model: WhisperModel,
  recipe: Recipe,
  clips: RecipeClips,
): Promise<TrainingData> {
  const { data, dev, tune } = recipe;
  const words = await wordsOf(model, recipe.targetVocabulary);
  const prompt = (language: string) => promptOf(model.tokens, recipe.prompt, recipe.target, language);
  const pairs: { clip: Clip; encoded: Example['clip'] }[] = tunesEncoder(tune)
    ? await melClips(model, clips.training, data.window)
    : await encodedClips(model, clips.training, data);
  const leftOut = new Map<string, number>();
  const examples = translationExamples(model, pairs, prompt, (_, reason) =>
    leftOut.set(reason, (leftOut.get(reason) ?? 0) + 1),
  );
  const unread = clips.training.length - pairs.length;
  if (unread > 0) leftOut.set('cannot be read', unread);
  const devExamples = dev && translationExamples(model, await encodedClips(model, clips.dev, data), prompt);
  const vocabulary = words && withReferences(words, examples, model);
  const { manifest } = data.corpora[0]!;
  return {
    examples,
    leftOut,
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
    },
    vocabulary,
    fingerprints: {
      clips: selectionHash(manifest, examples),
      ...(devExamples && { devClips: selectionHash(manifest, devExamples) }),
      ...(vocabulary && { vocabulary: hash(vocabulary.words.join()) }),
    },
  };
}

/** A clip that cannot be read is named on standard error and left out. */
async function melClips(
  model: WhisperModel,
  clips: readonly Clip[],
  window: Window,
): Promise<{ clip: Clip; encoded: MelClip }[]> {
  const pairs: { clip: Clip; encoded: MelClip }[] = [];
  for (const clip of clips) {
    try {
      const samples = await readAudio(clip.audio);
      pairs.push({ clip, encoded: melClip(samples, model.dimensions.melBins, window) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      process.stderr.write(`left out: ${error.message}\n`);
    }
  }
  if (pairs.length === 0) throw new UserError('no clip can be read');
  return pairs;
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
function selectionHash(manifest: string, examples: readonly Example[]): string {
  const lines = examples.map(({ source, clip, tokens }) => [
    relative(dirname(manifest), source!.audio),
    clip.window,
    clip.length,
    ...tokens,
  ]);
  return `${examples.length} (${hash(JSON.stringify(lines))})`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
