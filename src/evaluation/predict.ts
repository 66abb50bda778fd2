/** Predictions of one model for every clip with every prompt, written as they come. */

import { dirname } from 'node:path';
import { relativeReference } from '../audio/audio-reference.ts';
import type { Clip } from '../data/clip.ts';
import type { Recording } from '../data/recording.ts';
import type { DecodingOptions } from '../decoding/decode.ts';
import { decodeWithRetry } from '../decoding/full-window-retry.ts';
import { type CacheOptions, EncoderOutputs } from '../features/encoder-outputs.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { inBatches } from '../lists.ts';
import type { WorkOptions } from '../report/progress.ts';
import { type EncodedClip, FULL_WINDOW_POSITIONS, type WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { separatorOf } from '../whisper/prompts.ts';
import { sentenceScores } from './measures.ts';
import type { ModelFolder } from './models.ts';
import type { PredictedText, Prediction, PredictionKey, PredictionsFile } from './predictions.ts';
import type { SystemOutput } from './systems.ts';
import { type Item, type PromptName, promptFor, type Test } from './tasks.ts';

/** Clips that are encoded, decoded and written together: an interruption loses at most this many. */
const CLIPS_PER_ROUND = 128;

/** Decoding options of a test. */
export interface Decoding {
  /** All that predictions depend on beside model and prompt. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly of: (model: WhisperModel) => Promise<{
    decoding: Omit<DecodingOptions, 'prompts'>;
    temperatures: readonly number[];
  }>;
}

export interface PredictOptions extends Pick<WorkOptions, 'onProgress' | 'signal'>, CacheOptions {
  /** Path of the manifest; audio is named relative to it. */
  readonly manifest: string;
  readonly window: WindowMode;
  readonly decoding: Decoding;
  /** Decoding of the tests of forgetting. */
  readonly plainDecoding: Decoding;
  readonly file: PredictionsFile;
  /** Called with notes for readers of the results. */
  readonly note: (text: string) => void;
}

/** Audio path relative to the manifest. */
export const audioName = (manifest: string, audio: string): string =>
  relativeReference(dirname(manifest), audio);

/** A prompt in a language. */
interface LanguagePrompt {
  readonly ids: readonly number[];
  /** The same as text. */
  readonly text: string;
}

/** A model with one prompt in a test. */
interface PromptedTest extends Pick<SystemOutput, 'test' | 'prompt' | 'notDefined' | 'items'> {
  readonly promptOf: (item: Item) => LanguagePrompt;
  /** English first: the token before the text in the target language. */
  readonly separator: number | undefined;
  readonly keyOf: (item: Item) => PredictionKey;
  /** Those without a prediction in the file. */
  readonly waiting: Map<Clip, Item>;
}

/**
 * Decodes the clips of all tests with a model. Predictions in the file are reused, and new ones are only in the file.
 * @param promptsOf the prompts of a test
 * @param unreadable clips that could not be read, with the reason; those met here are added
 */
export async function predict(
  model: WhisperModel,
  folder: ModelFolder,
  tests: readonly Test[],
  promptsOf: (test: Test) => readonly PromptName[],
  unreadable: Map<string, string>,
  { file, note, ...options }: PredictOptions,
): Promise<SystemOutput[]> {
  const nameOf = ({ audio }: Clip): string => audioName(options.manifest, audio);
  const systems = tests.flatMap((test) =>
    promptsOf(test).map((prompt): PromptedTest => {
      const notDefined = new Map<string, string>();
      const { settings: used } = test.forgetting ? options.plainDecoding : options.decoding;
      const settings = fingerprint(JSON.stringify(used), 12);
      const prompts = new Map<string, LanguagePrompt>();
      for (const language of new Set(test.items.map(({ clip }) => clip.language))) {
        const tokens = promptFor(model.tokens, test, prompt, language);
        if ('lacking' in tokens) {
          notDefined.set(language, `the model has no token for ${tokens.lacking}`);
          note(
            `${prompt} is not defined for "${language}": ${folder.name} has no token for ${tokens.lacking}`,
          );
        } else {
          const { ids } = tokens;
          prompts.set(language, { ids, text: model.tokens.decodeEach(ids).join('') });
        }
      }
      const promptOf = ({ clip }: Item): LanguagePrompt => prompts.get(clip.language)!;
      const keyOf = (item: Item): PredictionKey => ({
        test: test.forgetting ? `forgetting: ${test.name}` : test.name,
        fingerprint: folder.fingerprint,
        settings,
        prompt,
        promptTokens: promptOf(item).text,
        audio: nameOf(item.clip),
      });
      const items = test.items.filter(({ clip }) => prompts.has(clip.language));
      const waiting = new Map<Clip, Item>();
      for (const item of items) if (!file.has(keyOf(item))) waiting.set(item.clip, item);
      const separator = prompt === 'transcribe' ? undefined : separatorOf(model.tokens, prompt, test.target!);
      return { test, prompt, notDefined, items, promptOf, separator, keyOf, waiting };
    }),
  );
  const predictionOf = (
    { test, keyOf }: PromptedTest,
    item: Item,
    predicted: PredictedText | undefined,
  ): Prediction => {
    const key = keyOf(item);
    const { language, key: sentence, text } = item.clip;
    return {
      ...key,
      model: folder.name,
      language,
      key: sentence,
      reference: item.reference,
      sourceText: text,
      ...(predicted && {
        hypothesis: predicted.hypothesis,
        english: predicted.english,
        averageLogProbability: predicted.averageLogProbability,
        ...sentenceScores(test, language, predicted.hypothesis, item.reference),
      }),
      ...(!predicted && { error: unreadable.get(key.audio) ?? 'not read' }),
    };
  };

  const all = systems.reduce((sum, { items }) => sum + items.length, 0);
  const missing = systems.reduce((sum, { waiting }) => sum + waiting.size, 0);
  const toRead = new Set<Clip>();
  for (const { waiting } of systems) for (const clip of waiting.keys()) toRead.add(clip);
  let done = all - missing;
  const resumed = done;
  const progress = (sofar: number): void => {
    if (missing === 0) return;
    const stage = `evaluating ${folder.name}`;
    options.onProgress?.({ stage, done: sofar, total: all, resumed });
  };
  progress(done);
  // Read once: language models and vocabularies are large.
  const own = missing > 0 ? options.decoding.of(model) : undefined;
  const plain =
    missing > 0 && tests.some(({ forgetting }) => forgetting) ? options.plainDecoding.of(model) : undefined;
  const { experts = true } = (await (own ?? plain))?.decoding ?? {};
  const recordingOf = ({ audio, language }: Clip): Recording => ({
    files: [audio],
    language: experts ? language : undefined,
  });
  const outputs = await EncoderOutputs.open(model, { ...options, onNote: note });
  let full: Promise<EncoderOutputs> | undefined;
  let cut = 0;
  for (const clips of inBatches(toRead, CLIPS_PER_ROUND)) {
    const encoded = await outputs.read(clips.map(recordingOf), {
      signal: options.signal,
      onError: (audio, error) => {
        unreadable.set(audioName(options.manifest, audio), error.message);
      },
    });
    const encodedOf = new Map(clips.flatMap((clip, i) => (encoded[i] ? [[clip, encoded[i]] as const] : [])));
    cut += [...encodedOf.values()].filter(({ length }) => length >= FULL_WINDOW_POSITIONS).length;
    for (const system of systems) {
      const mine = clips.flatMap((clip) => system.waiting.get(clip) ?? []);
      for (const clip of clips) system.waiting.delete(clip);
      const readable = mine.filter(({ clip }) => encodedOf.has(clip));
      const { decoding, temperatures } = await (system.test.forgetting ? plain : own)!;
      // As `translate` and `transcribe` decode, so that scores hold for a user's texts.
      const decoded = await decodeWithRetry(
        system.separator === undefined ? await model.englishHalf() : model,
        readable.map(({ clip }) => encodedOf.get(clip)!),
        {
          ...decoding,
          temperatures,
          prompts: readable.map((item) => system.promptOf(item).ids),
          separator: system.separator,
          languages: readable.map(({ clip }) => clip.language),
          signal: options.signal,
          onProgress: (count) => progress(done + count),
        },
        async (members) => {
          full ??= EncoderOutputs.open(model, { ...options, window: 'full' });
          const recordings = members.map((i) => recordingOf(readable[i]!.clip));
          return (await (await full).read(recordings)) as EncodedClip[];
        },
      );
      const predicted = new Map(
        decoded.map(({ result }, i): [Item, PredictedText] => {
          const { text, english, silent, averageLogProbability } = result;
          // No speech: no text.
          return [
            readable[i]!,
            {
              hypothesis: silent ? '' : text,
              english: silent && english !== undefined ? '' : english,
              averageLogProbability,
            },
          ];
        }),
      );
      await file.add(mine.map((item) => predictionOf(system, item, predicted.get(item))));
      done += mine.length;
      progress(done);
    }
  }
  if (cut > 0) note(`${cut} clips are 30 s long or longer: what comes after 30 s is ignored`);
  return systems.map((system) => ({
    test: system.test,
    model: folder.name,
    prompt: system.prompt,
    notDefined: system.notDefined,
    items: system.items,
    predictions: {
      *[Symbol.iterator]() {
        for (const item of system.items) yield predictionOf(system, item, file.get(system.keyOf(item)));
      },
    },
  }));
}
