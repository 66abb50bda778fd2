/** Predictions of one model for every clip with every prompt, written as they come. */
import { dirname, relative } from 'node:path';
import type { Clip } from '../data/clip.ts';
import type { Recording } from '../data/recording.ts';
import type { DecodingOptions } from '../decoding/decode.ts';
import { decodeWithRetry } from '../decoding/full-window-retry.ts';
import { type CacheOptions, EncoderOutputs } from '../features/encoder-outputs.ts';
import { fingerprint } from '../files/fingerprint.ts';
import type { WorkOptions } from '../report/progress.ts';
import { type EncodedClip, FULL_WINDOW_POSITIONS, type WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
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

const recordingOf = ({ audio }: Clip): Recording => ({ files: [audio] });

/** A clip to decode with one prompt, and its prediction once there is one. */
interface PredictionRequest {
  readonly item: Item;
  readonly ids: readonly number[];
  readonly separator: number | undefined;
  readonly key: PredictionKey;
  prediction: PredictedText | undefined;
}

/**
 * Decodes the clips of all tests with a model. Predictions in the file are reused.
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
  const audioName = (audio: string): string => relative(dirname(options.manifest), audio);
  const systems = tests.flatMap((test) =>
    promptsOf(test).map((prompt) => {
      const notDefined = new Map<string, string>();
      const { settings: used } = test.forgetting ? options.plainDecoding : options.decoding;
      const settings = fingerprint(JSON.stringify(used), 12);
      const requests = test.items.flatMap((item): PredictionRequest[] => {
        const { language } = item.clip;
        const tokens = promptFor(model.tokens, test, prompt, language);
        if ('lacking' in tokens) {
          notDefined.set(language, `the model has no token for ${tokens.lacking}`);
          note(
            `${prompt} is not defined for "${language}": ${folder.name} has no token for ${tokens.lacking}`,
          );
          return [];
        }
        const { ids, separator } = tokens;
        const key = {
          test: test.forgetting ? `forgetting: ${test.name}` : test.name,
          fingerprint: folder.fingerprint,
          settings,
          prompt,
          promptTokens: model.tokens.decodeEach(ids).join(''),
          audio: audioName(item.clip.audio),
        };
        return [{ item, ids, separator, key, prediction: file.get(key) }];
      });
      const waiting = new Map<Clip, PredictionRequest[]>();
      for (const one of requests) {
        if (!one.prediction) waiting.set(one.item.clip, [...(waiting.get(one.item.clip) ?? []), one]);
      }
      return { test, prompt, notDefined, requests, waiting };
    }),
  );

  const all = systems.flatMap(({ requests }) => requests);
  const missing = all.filter(({ prediction }) => !prediction);
  const toRead = [...new Set(missing.map(({ item }) => item.clip))];
  const predictionOf = (test: Test, { item, key, prediction }: PredictionRequest): Prediction => ({
    ...key,
    model: folder.name,
    language: item.clip.language,
    key: item.clip.key,
    reference: item.reference,
    sourceText: item.clip.text,
    ...(prediction && {
      hypothesis: prediction.hypothesis,
      averageLogProbability: prediction.averageLogProbability,
      ...sentenceScores(test, item.clip.language, prediction.hypothesis, item.reference),
    }),
    ...(!prediction && { error: unreadable.get(key.audio) ?? 'not read' }),
  });

  let done = all.length - missing.length;
  const resumed = done;
  const progress = (sofar: number): void => {
    if (missing.length === 0) return;
    const stage = `evaluating ${folder.name}`;
    options.onProgress?.({ stage, done: sofar, total: all.length, resumed });
  };
  progress(done);
  // Read once: language models and vocabularies are large.
  const own = missing.length > 0 ? options.decoding.of(model) : undefined;
  const plain =
    missing.length > 0 && tests.some(({ forgetting }) => forgetting)
      ? options.plainDecoding.of(model)
      : undefined;
  const outputs = await EncoderOutputs.open(model, { ...options, onNote: note });
  let full: Promise<EncoderOutputs> | undefined;
  let cut = 0;
  for (let start = 0; start < toRead.length; start += CLIPS_PER_ROUND) {
    const clips = toRead.slice(start, start + CLIPS_PER_ROUND);
    const encoded = await outputs.read(clips.map(recordingOf), {
      signal: options.signal,
      onError: (audio, error) => {
        unreadable.set(audioName(audio), error.message);
      },
    });
    const encodedOf = new Map(clips.flatMap((clip, i) => (encoded[i] ? [[clip, encoded[i]] as const] : [])));
    cut += [...encodedOf.values()].filter(({ length }) => length >= FULL_WINDOW_POSITIONS).length;
    for (const { test, waiting } of systems) {
      const mine = clips.flatMap((clip) => waiting.get(clip) ?? []);
      const readable = mine.filter(({ item }) => encodedOf.has(item.clip));
      const { decoding, temperatures } = await (test.forgetting ? plain : own)!;
      // As `translate` and `transcribe` decode, so that scores hold for a user's texts.
      const decoded = await decodeWithRetry(
        model,
        readable.map(({ item }) => encodedOf.get(item.clip)!),
        {
          ...decoding,
          temperatures,
          prompts: readable.map(({ ids }) => ids),
          ...(readable[0]?.separator !== undefined && {
            separators: readable.map(({ separator }) => separator!),
          }),
          languages: readable.map(({ item }) => item.clip.language),
          signal: options.signal,
          onProgress: (count) => progress(done + count),
        },
        async (members) => {
          full ??= EncoderOutputs.open(model, { ...options, window: 'full' });
          const recordings = members.map((i) => recordingOf(readable[i]!.item.clip));
          return (await (await full).read(recordings)) as EncodedClip[];
        },
      );
      decoded.forEach(({ result: { text, silent, averageLogProbability } }, i) => {
        // No speech: no text.
        readable[i]!.prediction = { hypothesis: silent ? '' : text, averageLogProbability };
      });
      await file.add(mine.map((one) => predictionOf(test, one)));
      done += mine.length;
      progress(done);
    }
  }
  if (cut > 0) note(`${cut} clips are 30 s long or longer: what comes after 30 s is ignored`);
  return systems.map(({ test, prompt, notDefined, requests }) => ({
    test,
    model: folder.name,
    prompt,
    notDefined,
    items: requests.map(({ item }) => item),
    predictions: requests.map((one) => predictionOf(test, one)),
  }));
}
