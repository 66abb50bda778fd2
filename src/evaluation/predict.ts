/** One model is asked about every clip with every prompt; answers are written as they come. */
import { dirname, relative } from 'node:path';
import type { DecodingOptions } from '../decoding/decode.ts';
import { decodeWithRetry } from '../decoding/full-window-retry.ts';
import { encodeFiles } from '../features/encoder-cache.ts';
import { fingerprint } from '../files/fingerprint.ts';
import type { WorkOptions } from '../report/progress.ts';
import { type EncodedClip, FULL_WINDOW_POSITIONS, type WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { sentenceScores } from './measures.ts';
import type { ModelFolder } from './models.ts';
import type { PredictedText, Prediction, PredictionKey, PredictionsFile } from './predictions.ts';
import type { SystemOutput } from './systems.ts';
import { type Item, type PromptName, promptFor, type Test } from './tasks.ts';

/** Encoded and decoded together, and then written: what a stop costs at most. */
const CLIPS_PER_ROUND = 128;

/** How a test is decoded. */
export interface Decoding {
  /** All that the answers depend on but model and prompt. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  readonly of: (model: WhisperModel) => Promise<{
    decoding: Omit<DecodingOptions, 'prompts'>;
    temperatures: readonly number[];
  }>;
}

export interface PredictOptions extends Pick<WorkOptions, 'onProgress' | 'signal'> {
  /** Audio is named relative to it. */
  readonly manifest: string;
  readonly window: WindowMode;
  /** Where encoder outputs are kept between runs; undefined: nowhere. */
  readonly cache: string | undefined;
  readonly decoding: Decoding;
  /** Of the tests of forgetting. */
  readonly plainDecoding: Decoding;
  readonly file: PredictionsFile;
  /** What a reader of the results has to know. */
  readonly note: (text: string) => void;
}

/** A clip, and what a model was asked about it and answered. */
interface Asked {
  readonly item: Item;
  readonly ids: readonly number[];
  readonly question: PredictionKey;
  answer: PredictedText | undefined;
}

/**
 * Asks a model about the clips of all tests. What the file of predictions has is not asked again.
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
      const asked = test.items.flatMap((item): Asked[] => {
        const { language } = item.clip;
        const asking = promptFor(model.tokens, test, prompt, language);
        if ('lacking' in asking) {
          notDefined.set(language, `the model has no token for ${asking.lacking}`);
          note(
            `${prompt} is not defined for "${language}": ${folder.name} has no token for ${asking.lacking}`,
          );
          return [];
        }
        const { ids } = asking;
        const question = {
          test: test.forgetting ? `forgetting: ${test.name}` : test.name,
          fingerprint: folder.fingerprint,
          settings,
          prompt,
          promptTokens: model.tokens.decodeEach(ids).join(''),
          audio: audioName(item.clip.audio),
        };
        return [{ item, ids, question, answer: file.get(question) }];
      });
      return { test, prompt, notDefined, asked };
    }),
  );

  const all = systems.flatMap(({ asked }) => asked);
  const missing = all.filter(({ answer }) => !answer);
  const toRead = [...new Set(missing.map(({ item }) => item.clip))];
  const predictionOf = (test: Test, { item, question, answer }: Asked): Prediction => ({
    ...question,
    model: folder.name,
    language: item.clip.language,
    key: item.clip.key,
    reference: item.reference,
    sourceText: item.clip.text,
    ...(answer && {
      hypothesis: answer.hypothesis,
      averageLogProbability: answer.averageLogProbability,
      ...sentenceScores(test, item.clip.language, answer.hypothesis, item.reference),
    }),
    ...(!answer && { error: unreadable.get(question.audio) ?? 'not read' }),
  });

  let done = all.length - missing.length;
  const resumed = done;
  const progress = (sofar: number): void => {
    if (missing.length === 0) return;
    const stage = `evaluating ${folder.name}`;
    options.onProgress?.({ stage, done: sofar, total: all.length, resumed });
  };
  progress(done);
  // Once: a language model or a vocabulary takes a while to read.
  const own = missing.length > 0 ? options.decoding.of(model) : undefined;
  const plain =
    missing.length > 0 && tests.some(({ forgetting }) => forgetting)
      ? options.plainDecoding.of(model)
      : undefined;
  let cut = 0;
  for (let start = 0; start < toRead.length; start += CLIPS_PER_ROUND) {
    const clips = toRead.slice(start, start + CLIPS_PER_ROUND);
    const encoded = await encodeFiles(
      model,
      clips.map(({ audio }) => audio),
      {
        window: options.window,
        cache: options.cache,
        signal: options.signal,
        onError: (audio, error) => {
          unreadable.set(audioName(audio), error.message);
        },
      },
    );
    const heard = new Map(clips.flatMap((clip, i) => (encoded[i] ? [[clip, encoded[i]] as const] : [])));
    cut += [...heard.values()].filter(({ length }) => length >= FULL_WINDOW_POSITIONS).length;
    for (const { test, asked } of systems) {
      const mine = asked.filter(({ item, answer }) => !answer && clips.includes(item.clip));
      const readable = mine.filter(({ item }) => heard.has(item.clip));
      const { decoding, temperatures } = await (test.forgetting ? plain : own)!;
      // As `translate` and `transcribe` have it, so that what is measured is what a user gets.
      const decoded = await decodeWithRetry(
        model,
        readable.map(({ item }) => heard.get(item.clip)!),
        {
          ...decoding,
          temperatures,
          prompts: readable.map(({ ids }) => ids),
          languages: readable.map(({ item }) => item.clip.language),
          signal: options.signal,
          onProgress: (count) => progress(done + count),
        },
        async (members) => {
          const files = members.map((i) => readable[i]!.item.clip.audio);
          return (await encodeFiles(model, files, { window: 'full', cache: options.cache })) as EncodedClip[];
        },
      );
      decoded.forEach(({ result: { text, silent, averageLogProbability } }, i) => {
        // Where nobody seems to speak there is no text.
        readable[i]!.answer = { hypothesis: silent ? '' : text, averageLogProbability };
      });
      await file.add(mine.map((one) => predictionOf(test, one)));
      done += mine.length;
      progress(done);
    }
  }
  if (cut > 0) note(`${cut} clips are 30 s long or longer: what comes after 30 s is not heard`);
  return systems.map(({ test, prompt, notDefined, asked }) => ({
    test,
    model: folder.name,
    prompt,
    notDefined,
    items: asked.map(({ item }) => item),
    predictions: asked.map((one) => predictionOf(test, one)),
  }));
}
