/** Training data of a recipe: clips, their encoder outputs or log-mels, texts, target vocabulary, dev set. */
import { readAudio } from '../audio/audio-file.ts';
import { Augmentation } from '../audio/augment/augmentation.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { type Clip, missingReference, referenceIn, unnamedTarget, writtenLanguages } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { repeatedClips } from '../data/repeated-clips.ts';
import { UserError } from '../errors.ts';
import { clipsOf, isSpokenIn } from '../features/encoded-clips.ts';
import { EncoderOutputs, HELD_WITHOUT } from '../features/encoder-outputs.ts';
import { recordingLengths } from '../features/recording-lengths.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { languageProfile } from '../language/profile.ts';
import { formatNumber } from '../report/format.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import { type EncodedClip, withoutSpeech } from '../whisper/encoded-clip.ts';
import type { Lazy } from '../whisper/lazy.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { promptOf, separatorOf } from '../whisper/prompts.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';
import { targetVocabulary } from '../whisper/target-vocabulary.ts';
import type { Example } from './batches.ts';
import type { IsFormer, RunSettings } from './checkpoints.ts';
import { type ClipSpeech, encodedSpeech, type MeasuredClip, melSpeech } from './example-speech.ts';
import { type ClipAndSpeech, textExamples } from './examples.ts';
import { type MergedClip, mergeClips, partsOf } from './merge-clips.ts';
import { manifestOf, type Recipe } from './recipe.ts';
import { cacheOf } from './recipe-cache.ts';
import type { DevSet } from './run.ts';
import { spokenAt } from './segment-times.ts';
import { isFormerSelection, selectionFingerprint } from './selection.ts';
import { clipsOfWindow, SkippedClips } from './skipped-clips.ts';
import { Split } from './split.ts';
import { tunesEncoder } from './tuned-weights.ts';

/** A clip, its place among `data.corpora`, and the language of its text there. */
type CorpusClip = MergedClip & { readonly corpus: number; readonly target: string };

/** Clips that a recipe names, before their audio is read. */
export interface RecipeClips {
  readonly training: readonly CorpusClip[];
  readonly dev: readonly CorpusClip[];
  /** Target languages, in the order of the corpora. */
  readonly targets: readonly string[];
  /** Notes on recordings that stand several times, a line each. */
  readonly notes: readonly string[];
}

export interface TrainingData {
  readonly examples: readonly Example[];
  /** Bytes of their clips that are held in memory at most. */
  readonly held: number;
  /** Number of skipped clips, by reason. */
  readonly skipped: ReadonlyMap<string, number>;
  /** Notes on merging and augmentation, a line each. */
  readonly notes: readonly string[];
  readonly devSet: DevSet | undefined;
  readonly vocabulary: TargetVocabulary | undefined;
  /** Fingerprints of the data, which must be equal to resume a run. */
  readonly fingerprints: RunSettings;
  /** Of the training recordings: the sizes of their files. */
  readonly recordings: string;
  /** Whether a fingerprint in a checkpoint is that of the same data, made by an earlier version. */
  readonly isFormer: IsFormer;
}

/** Room for the longest prompt and the end of text. */
const PROMPT_TOKENS = 8;
/** Longest window with timestamps: beneath Whisper's 30 s, as durations are rounded. */
const TIMED_SECONDS = 29;
/** Versions of each clip where the encoder is not tuned and the recipe names no number. */
const COPIES = 3;

/** @throws UserError where a manifest has no such clips, or no texts in the target language */
export async function recipeClips(recipe: Recipe): Promise<RecipeClips> {
  const { data, dev } = recipe;
  const fromText = recipe.prompt === 'english-first';
  const training: CorpusClip[] = [];
  const found = new Map<string, CorpusClip>();
  const manifests = [...new Set(data.corpora.map(manifestOf))].join(', ');
  const read = new Map<string, Promise<readonly Clip[]>>();
  const corpora = await Promise.all(
    data.corpora.map(async (corpus) => {
      const manifest = manifestOf(corpus);
      const { language } = corpus;
      if (!read.has(manifest)) read.set(manifest, readManifest(manifest, { withoutAudio: fromText }));
      const clips = await read.get(manifest)!;
      const all = clipsOf(clips, manifest, { language });
      const chosen = clipsOf(clips, manifest, corpus);
      return {
        ...corpus,
        manifest,
        all: dev?.languages ? clips : all,
        clips: chosen.filter((clip) => dev === undefined || clip.set !== dev.set),
      };
    }),
  );
  const withoutTarget = corpora.filter(({ target }) => target === undefined);
  const target =
    recipe.target ?? (withoutTarget.length === 0 ? undefined : onlyTarget(manifests, withoutTarget));
  const targets = corpora.map((corpus) => languageProfile(corpus.target ?? target!).code);
  checkTargets(recipe, targets);
  for (const [corpus, { manifest, all, clips }] of corpora.entries()) {
    const written = targets[corpus]!;
    if (clips.every((clip) => referenceIn(clip, written) === '')) {
      throw new UserError(missingReference(manifest, clips, written));
    }
    for (const clip of clips)
      training.push({ ...(fromText ? textAlone(clip, written) : clip), corpus, target: written });
    for (const clip of all) {
      if (clip.set !== dev?.set) continue;
      if (dev.languages && !dev.languages.some((named) => isSpokenIn(clip, named))) continue;
      const used = fromText ? textAlone(clip, written) : clip;
      const key = `${written} ${fromText ? used.text : used.audio}`;
      if (!found.has(key)) found.set(key, { ...used, corpus, target: written });
    }
  }
  const different = [...new Set(targets)];
  const notes: string[] = [];
  for (const [manifest, clips] of read) {
    for (const note of repeatedClips(manifest, await clips)) notes.push(note);
  }
  if (!dev) return { training, dev: [], targets: different, notes };
  const own = [...found.values()];
  const { languages } = dev;
  for (const language of languages ?? []) {
    if (own.some((clip) => isSpokenIn(clip, language))) continue;
    throw new UserError(`${manifests}: no clip of language "${language}" in set "${dev.set}"`);
  }
  if (found.size === 0) {
    throw new UserError(`${manifests}: no clip in set "${dev.set}"; expected the dev set's in one of them`);
  }
  const devClips = languages
    ? inTurns(own, (clip) => languages.findIndex((language) => isSpokenIn(clip, language)))
    : inTurns(own, ({ corpus }) => corpus);
  return { training, dev: devClips.slice(0, dev.clips), targets: different, notes };
}

/** English first goes on from the English text, whatever was spoken. */
function textAlone(clip: Clip, target: string): Clip {
  const translations = { ...clip.translations, [target]: referenceIn(clip, target) };
  return { ...clip, audio: '', language: 'en', text: referenceIn(clip, 'en'), translations };
}

/** Recipes without a target were for Chinese, which may be omitted where the manifests have no other language. */
function onlyTarget(manifests: string, corpora: readonly { readonly clips: readonly Clip[] }[]): string {
  const clips = corpora.flatMap((corpus) => corpus.clips);
  const [written, ...others] = writtenLanguages(clips);
  if (written === 'zh' && others.length === 0) return written;
  throw new UserError(unnamedTarget(manifests, clips));
}

/** With several targets in one model, its prompt must choose between them. */
function checkTargets({ prompt, targetToken }: Recipe, targets: readonly string[]): void {
  const different = [...new Set(targets)];
  if (different.length < 2) return;
  if (prompt === 'source-translate') {
    throw new UserError(
      `--prompt-kind source-translate: found the targets ${different.join(', ')}; expected a prompt that names one`,
    );
  }
  if (targetToken) {
    throw new UserError(
      `targetToken: found with the targets ${different.join(', ')}; expected one, as one language gets a token in a run`,
    );
  }
  const bases = different.map((code) => languageProfile(code).base);
  const twice = bases.find((base, i) => bases.indexOf(base) !== i);
  if (twice !== undefined) {
    const same = different.filter((_, i) => bases[i] === twice).join(' and ');
    throw new UserError(`--to: found ${same}, which have the same token <|${twice}|>; expected one of them`);
  }
}

/** Interleaves kinds of clips, so that a few at the start represent all. */
function inTurns(clips: readonly CorpusClip[], kindOf: (clip: CorpusClip) => number): CorpusClip[] {
  const turns = new Map<number, number>();
  const placed = clips.map((clip) => {
    const kind = kindOf(clip);
    const turn = turns.get(kind) ?? 0;
    turns.set(kind, turn + 1);
    return { clip, turn };
  });
  return placed.sort((a, b) => a.turn - b.turn).map(({ clip }) => clip);
}

export async function trainingData(
  model: WhisperModel,
  recipe: Recipe,
  clips: RecipeClips,
  work: WorkOptions = {},
): Promise<TrainingData> {
  const { data, dev, tune } = recipe;
  const words = await wordsOf(model, recipe.targetVocabulary);
  const ofExamples = {
    target: (clip: CorpusClip) => clip.target,
    corpusOf: (clip: CorpusClip) => clip.corpus,
    promptOf: (language: string, target: string) => promptOf(model.tokens, recipe.prompt, target, language),
    separatorOf: (target: string) => separatorOf(model.tokens, recipe.prompt, target),
  };
  const augmentation = recipe.augment && (await Augmentation.open(recipe.augment, recipe.optimizer.seed));
  const { window } = data;
  const outputs = await EncoderOutputs.open(model, { ...cacheOf(data), window, onNote: work.onNote });
  const notes: string[] = [];
  const split = new Split(data.corpora.map(manifestOf));
  const leftOut = new SkippedClips();
  const devLeftOut = new SkippedClips();
  const fromText = recipe.prompt === 'english-first';
  const silent = (clip: CorpusClip) => ({ clip, encoded: withoutSpeech(model.dimensions.width) });
  const spoken = fromText ? [] : clips.training;
  const devReadable =
    dev && !fromText
      ? await measuredClips(outputs, clips.dev, 'reading lengths of the dev set', work, split.addDev)
      : [];
  const { timed, others, merged: joined } = await mergedClips(model, recipe, spoken, outputs, work);
  if (joined.length < others) {
    notes.push(
      `merged: ${formatNumber(others)} clips into ${formatNumber(joined.length)} of at most ` +
        `${data.mergeSeconds} s`,
    );
  }
  if (timed.length > 0) {
    notes.push(
      `timestamps: ${formatNumber(spoken.length - others)} clips in ${formatNumber(timed.length)} windows of at most ` +
        `${TIMED_SECONDS} s`,
    );
  }
  const windows = new Set<CorpusClip>(timed);
  const merged = [...joined, ...timed];
  const sizes = new Map<CorpusClip, number>();
  const readable = await measuredClips(outputs, merged, 'reading lengths', work, (clip, file, bytes) => {
    split.addTraining(clip, file, bytes);
    sizes.set(clip, bytes + (sizes.get(clip) ?? 0));
  });
  const unread = merged.length - readable.length;
  if (readable.length === 0 && spoken.length > 0) throw new UserError('no clip can be read');
  const onBothSides = await split.note(work);
  if (onBothSides !== undefined) notes.push(onBothSides);
  const measured = clipsOfWindow(readable, leftOut);
  const copies = augmentation && !tunesEncoder(tune) ? (recipe.augment?.copies ?? COPIES) : 1;
  const encoded = tunesEncoder(tune) ? undefined : encodedSpeech(outputs, measured, { copies, augmentation });
  const speech =
    encoded ?? melSpeech(model.dimensions.melBins, measured, { window, augmentation, onNote: work.onNote });
  const speechOf = new Map<Example['clip'], ClipSpeech>(speech.map((one) => [one.encoded, one]));
  const pairs: readonly ClipAndSpeech<CorpusClip, Example['clip']>[] = fromText
    ? clips.training.map(silent)
    : speech;
  if (copies > 1) notes.push(`augmented: ${copies} versions of each clip, encoded once`);
  let version = 0;
  const examples = textExamples<CorpusClip, Example['clip']>(model, pairs, {
    ...ofExamples,
    onSkipped: (clip, reason) => {
      // Its versions follow one another.
      if (version++ % copies === 0) leftOut.add(clip, reason);
    },
    timedOf: (clip, encoded) => {
      const heard = windows.has(clip) ? speechOf.get(encoded) : undefined;
      return heard && { parts: partsOf(clip), timesAt: spokenAt(partsOf(clip), heard.recordingAt) };
    },
  });
  const devSpeech = encodedSpeech(outputs, clipsOfWindow(devReadable, devLeftOut));
  const devExamples =
    dev &&
    textExamples<CorpusClip, EncodedClip | Lazy<EncodedClip>>(
      model,
      fromText ? clips.dev.map(silent) : devSpeech,
      {
        ...ofExamples,
        onSkipped: (clip, reason) => devLeftOut.add(clip, reason),
      },
    );
  const skipped = new Map([
    ...leftOut.counts(),
    ...(unread > 0 ? [['cannot be read', unread] as const] : []),
  ]);
  for (const [reason, count] of devLeftOut.counts()) skipped.set(`of the dev set: ${reason}`, count);
  if (encoded) {
    const room = await outputs.checkRoom([...encoded, ...devSpeech]);
    if (room !== undefined) notes.push(room);
  }
  const vocabulary = words && withReferences(words, examples, model);
  return {
    examples,
    held: encoded ? outputs.maxBytes : HELD_WITHOUT,
    skipped,
    notes,
    devSet: devExamples && {
      examples: devExamples,
      encode: tunesEncoder(tune)
        ? async (some) =>
            model.encode(await Promise.all(some.map(({ source }) => readAudio(source!.audio))), window, {
              languages: some.map(({ source }) => source!.language),
            })
        : undefined,
      every: dev.every,
      patience: dev.patience,
      best: dev.best,
    },
    vocabulary,
    fingerprints: {
      clips: selectionFingerprint(recipe, examples),
      ...(augmentation && { augmentation: augmentation.fingerprint }),
      ...(devExamples && { devClips: selectionFingerprint(recipe, devExamples) }),
      ...(vocabulary && { vocabulary: fingerprint(vocabulary.words.join(), 12) }),
    },
    recordings: fingerprint(merged.map((clip) => sizes.get(clip) ?? 0).join(), 12),
    isFormer: async (name, found) => {
      const selected = name === 'clips' ? examples : name === 'devClips' ? devExamples : undefined;
      const options = { ...work, memo: outputs.memo, window };
      return selected !== undefined && (await isFormerSelection(found, recipe, selected, options));
    },
  };
}

/** The clips whose files are there and are audio, with their lengths. */
async function measuredClips(
  outputs: EncoderOutputs,
  clips: readonly CorpusClip[],
  stage: string,
  { onProgress, onSkip, signal }: WorkOptions,
  onFile?: (clip: CorpusClip, file: string, bytes: number) => void,
): Promise<MeasuredClip<CorpusClip>[]> {
  if (clips.length === 0) return [];
  const lengths = await recordingLengths(outputs.memo, clips, {
    onProgress: stageProgress({ onProgress }, stage, clips.length),
    onSkip,
    onFile: (clip, file, bytes) => onFile?.(clips[clip]!, file, bytes),
    signal,
  });
  return clips.flatMap((clip, i) => {
    const samples = lengths[i];
    return samples === undefined ? [] : [{ clip, samples }];
  });
}

/** Windows with timestamps, and the other clips, merged if the recipe says so: each within its corpus. */
async function mergedClips(
  { tokens, dimensions: { textPositions } }: WhisperModel,
  { data: { corpora, mergeSeconds, timestamps = 0 } }: Recipe,
  clips: readonly CorpusClip[],
  outputs: EncoderOutputs,
  work: WorkOptions,
): Promise<{
  readonly timed: readonly CorpusClip[];
  /** Number of clips that are in no such window, and those with what is merged of them. */
  readonly others: number;
  readonly merged: readonly CorpusClip[];
}> {
  if (mergeSeconds === undefined && timestamps === 0)
    return { timed: [], others: clips.length, merged: clips };
  const unmeasured = clips.filter(({ duration }) => Number.isNaN(duration));
  // Files that cannot be read are reported once they are looked up as all are.
  const silent = { onProgress: work.onProgress, signal: work.signal };
  const found =
    unmeasured.length > 0 ? await measuredClips(outputs, unmeasured, 'reading lengths to merge', silent) : [];
  const lengths = new Map(found.map(({ clip, samples }) => [clip.audio, samples / SAMPLE_RATE]));
  const durationOf = async (file: string) => lengths.get(file) ?? Number.NaN;
  const timed: CorpusClip[] = [];
  const others: CorpusClip[] = [];
  const merged: CorpusClip[] = [];
  for (const corpus of corpora.keys()) {
    const own = clips.filter((clip) => clip.corpus === corpus);
    const target = own[0]?.target;
    if (target === undefined) continue;
    const inCorpus = (clip: MergedClip): CorpusClip => ({ ...clip, corpus, target });
    const fits = (text: string, room: number): boolean => {
      const written = languageProfile(target).reference(text);
      return tokens.maxCount(written) <= room || tokens.encode(written).length <= room;
    };
    let rest = own;
    if (timestamps > 0) {
      const windows = await mergeClips(own, target, {
        seconds: TIMED_SECONDS,
        // Decoding has half of the decoder's context for a window's text.
        fits: (text, count) => fits(text, (textPositions >> 1) - 2 * count),
        durationOf,
      });
      // Evenly spread over the corpus.
      const isTimed = (_: MergedClip, i: number) =>
        Math.floor((i + 1) * timestamps) > Math.floor(i * timestamps);
      for (const window of windows.filter(isTimed)) timed.push(inCorpus(window));
      rest = windows
        .filter((window, i) => !isTimed(window, i))
        .flatMap(partsOf)
        .map(inCorpus);
    }
    for (const clip of rest) others.push(clip);
    const joined =
      mergeSeconds === undefined
        ? rest
        : await mergeClips(rest, target, {
            seconds: mergeSeconds,
            fits: (text) => fits(text, textPositions - PROMPT_TOKENS),
            durationOf,
          });
    for (const clip of joined) merged.push(inCorpus(clip));
  }
  return { timed, others: others.length, merged };
}

/** The words of the recipe's text file, if it names one; undefined without a target vocabulary. */
async function wordsOf(
  model: WhisperModel,
  source: string | true | undefined,
): Promise<TargetVocabulary | undefined> {
  if (source === undefined) return undefined;
  return source === true ? { source: 'training references', words: [] } : targetVocabulary(model, source);
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
