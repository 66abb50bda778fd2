/** Predictions of one model for every clip with every prompt, written as they come. */

import { dirname } from 'node:path';
import { relativeReference } from '../audio/audio-reference.ts';
import type { Clip } from '../data/clip.ts';
import { damageReport } from '../data/recording.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { inBatches } from '../lists.ts';
import type { WorkOptions } from '../report/progress.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { separatorOf } from '../whisper/prompts.ts';
import { sentenceScores } from './measures.ts';
import type { ModelFolder } from './models.ts';
import {
  CLIPS_PER_ROUND,
  type PredictedClip,
  type RoundClip,
  type RoundOptions,
  RoundPredictor,
  type RoundPrompt,
  type WrittenDecoding,
} from './predict-round.ts';
import type { PredictedText, Prediction, PredictionKey, PredictionsFile } from './predictions.ts';
import type { SystemOutput } from './systems.ts';
import { type Item, type PromptName, promptFor, type Test } from './tasks.ts';

/** Decoding options of a test. */
export interface Decoding extends WrittenDecoding {
  /** All that predictions depend on beside model and prompt. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
}

/** Rounds of a model that are decoded by other processes. */
export interface RoundsElsewhere {
  /** Folder of the model. */
  readonly model: string;
  readonly options: RoundOptions;
  readonly rounds: readonly (readonly RoundClip[])[];
  /** Rounds that are not needed. */
  readonly known: (round: number) => boolean;
}

/** Results of rounds in their order, by clip; undefined of rounds that are not needed, and of clips without a prompt. */
export type DecodeElsewhere = (
  job: RoundsElsewhere,
  work: WorkOptions & { readonly stage: string },
) => AsyncIterable<readonly (PredictedClip | { readonly error: string } | undefined)[] | undefined>;

export interface PredictOptions
  extends Pick<WorkOptions, 'onProgress' | 'signal'>,
    Omit<RoundOptions, 'prompts' | 'decoding' | 'plainDecoding'> {
  /** Path of the manifest; audio is named relative to it. */
  readonly manifest: string;
  readonly decoding: Decoding;
  /** Decoding of the tests of forgetting. */
  readonly plainDecoding: Decoding;
  readonly file: PredictionsFile;
  /** Called with notes for readers of the results. */
  readonly note: (text: string) => void;
  /** Decodes rounds of which nothing is known in other processes. Default: all are decoded in this one. */
  readonly elsewhere?: DecodeElsewhere | undefined;
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
  readonly keyOf: (item: Item) => PredictionKey;
  readonly itemOf: ReadonlyMap<Clip, Item>;
  /** Those without a prediction in the file. */
  readonly waiting: Set<Clip>;
  readonly round: RoundPrompt;
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
  { file, note, elsewhere, ...options }: PredictOptions,
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
      const round: RoundPrompt = {
        plain: test.forgetting,
        separator: prompt === 'transcribe' ? undefined : separatorOf(model.tokens, prompt, test.target!),
        ids: Object.fromEntries([...prompts].map(([language, { ids }]) => [language, ids])),
      };
      const itemOf = new Map(items.map((item) => [item.clip, item]));
      const waiting = new Set(items.flatMap((item) => (file.has(keyOf(item)) ? [] : [item.clip])));
      return { test, prompt, notDefined, items, keyOf, itemOf, waiting, round };
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
  let done = all - missing;
  const resumed = done;
  const stage = `evaluating ${folder.name}`;
  const progress = (sofar: number): void => {
    if (missing > 0) options.onProgress?.({ stage, done: sofar, total: all, resumed });
  };
  progress(done);
  const clips = new Set(systems.flatMap(({ items }) => items.map(({ clip }) => clip)));
  // Rounds of all clips, also in a resumed run: a clip is always decoded beside the same others.
  const rounds = missing > 0 ? [...inBatches(clips, CLIPS_PER_ROUND)] : [];
  const { window, cache, cacheDtype, cacheLimit, signal } = options;
  const decodingOf = ({ choice, written }: Decoding): WrittenDecoding => ({ choice, written });
  const roundOptions: RoundOptions = {
    ...{ window, cache, cacheDtype, cacheLimit },
    decoding: decodingOf(options.decoding),
    plainDecoding: decodingOf(options.plainDecoding),
    prompts: systems.map(({ round }) => round),
  };
  const damage = damageReport(note);
  const cut = new Set<Clip>();
  const fail = (clip: Clip, error: string) => unreadable.set(nameOf(clip), error);
  const keep = async (system: PromptedTest, predicted: ReadonlyMap<Clip, PredictedText | undefined>) => {
    await file.add(
      [...predicted].map(([clip, text]) => predictionOf(system, system.itemOf.get(clip)!, text)),
    );
    for (const clip of predicted.keys()) system.waiting.delete(clip);
    done += predicted.size;
  };
  if (rounds.length > 0) {
    const predictor = await RoundPredictor.open(model, {
      ...roundOptions,
      onNote: note,
      onDamage: damage.add,
    });
    const here = async (round: readonly Clip[]): Promise<void> => {
      const some = round.filter((clip) => systems.some(({ waiting }) => waiting.has(clip)));
      if (some.length === 0) return;
      const read = await predictor.read(
        some.map((clip) => ({
          ...{ audio: clip.audio, language: clip.language },
          prompts: placesWhere(systems, ({ waiting }) => waiting.has(clip)),
        })),
        signal,
      );
      for (const [i, error] of read.errors) fail(some[i]!, error);
      for (const i of read.cut) cut.add(some[i]!);
      for (const [place, system] of systems.entries()) {
        const texts = await read.decode(place, (count) => progress(done + count));
        const mine = [...some.entries()].filter(([, clip]) => system.waiting.has(clip));
        await keep(system, new Map(mine.map(([i, clip]) => [clip, texts.get(i)])));
        progress(done);
      }
    };
    if (!elsewhere) for (const round of rounds) await here(round);
    else {
      // What lacks only a part of a round is decoded here: the results elsewhere are those of whole rounds.
      const isNew = ({ itemOf, waiting }: PromptedTest, round: readonly Clip[]): boolean => {
        const mine = round.filter((clip) => itemOf.has(clip));
        return mine.length > 0 && mine.every((clip) => waiting.has(clip));
      };
      const newIn = rounds.map((round) => placesWhere(systems, (system) => isNew(system, round)));
      const asked = new Set(newIn.flat());
      const work = { onProgress: options.onProgress, signal, onNote: note, stage };
      const job: RoundsElsewhere = {
        model: folder.directory,
        options: roundOptions,
        rounds: rounds.map((round) =>
          round.map((clip) => ({
            ...{ audio: clip.audio, language: clip.language },
            prompts: placesWhere(systems, ({ itemOf }, place) => asked.has(place) && itemOf.has(clip)),
          })),
        ),
        known: (round) => newIn[round]!.length === 0,
      };
      let place = 0;
      for await (const results of elsewhere(job, work)) {
        const round = rounds[place]!;
        for (const [i, result] of results?.entries() ?? []) {
          if (result && 'error' in result) fail(round[i]!, result.error);
          else if (result?.cut) cut.add(round[i]!);
        }
        for (const prompt of results ? newIn[place]! : []) {
          const system = systems[prompt]!;
          const mine = [...round.entries()].filter(([, clip]) => system.waiting.has(clip));
          const textOf = (i: number) => {
            const result = results![i];
            return result && 'texts' in result ? result.texts[prompt] : undefined;
          };
          await keep(system, new Map(mine.map(([i, clip]) => [clip, textOf(i)])));
        }
        await here(round);
        place++;
      }
    }
  }
  damage.end();
  if (cut.size > 0) note(`${cut.size} clips are 30 s long or longer: what comes after 30 s is ignored`);
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

function placesWhere<T>(list: readonly T[], matches: (one: T, place: number) => boolean): number[] {
  return [...list.keys()].filter((place) => matches(list[place]!, place));
}
