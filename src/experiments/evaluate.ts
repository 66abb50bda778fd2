/**
 * An evaluation: every model is asked about every clip with every prompt, the answers are kept as they come, and scored
 * together at the end.
 */
import { createHash } from 'node:crypto';
import { dirname, join, relative } from 'node:path';
import type { DecodingOptions } from '../decoding/decode.ts';
import { decodeWithFallback } from '../decoding/fallback.ts';
import { UserError } from '../errors.ts';
import { DEFAULT_SAMPLES, type PairedTest } from '../evaluation/significance.ts';
import type { EvaluatedModel, EvaluationResults, EvaluationRow } from '../report/evaluation-results.ts';
import { startProgress } from '../report/progress.ts';
import { encodeFiles } from '../speech/encoder-cache.ts';
import type { Clip } from '../speech/manifest.ts';
import { FULL_WINDOW_POSITIONS, WhisperModel, type Window } from '../whisper/model.ts';
import type { PromptKind } from '../whisper/prompts.ts';
import type { Task } from '../whisper/tokens.ts';
import { cometFiles, type ReadComet } from './evaluate-comet.ts';
import { sentenceScores } from './evaluate-measures.ts';
import { defaultPrompts, type ModelFolder, modelFolders } from './evaluate-models.ts';
import { type Answer, type Prediction, PredictionsFile, type Question } from './evaluate-predictions.ts';
import { type RetrievedPair, retrieveAllPairs } from './evaluate-retrieval.ts';
import { hitRate, type System, scoredRows } from './evaluate-scores.ts';
import { type AskedOf, systemsOf } from './evaluate-systems.ts';
import {
  type Item,
  type PromptName,
  promptFor,
  recognitionTest,
  spokenText,
  type Target,
  type Test,
  translationTest,
} from './evaluate-tests.ts';
import { machine } from './machine.ts';

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

export interface EvaluateOptions {
  readonly version: string;
  readonly manifest: string;
  readonly selection: EvaluationResults['selection'];
  /** All clips of the set, whatever their language. */
  readonly clips: readonly Clip[];
  readonly task: Task;
  readonly target: Target;
  /** Model folders; the first is what the others are compared with. */
  readonly models: readonly string[];
  /** Default: see {@link defaultPrompts}. */
  readonly promptKinds?: readonly PromptKind[] | undefined;
  /** Also what plain Whisper can do: recognise English, translate into English, and one space for all languages. */
  readonly forgetting: boolean;
  readonly window: Window;
  /** Where encoder outputs are kept. */
  readonly cache: string;
  /** Folder of the results. */
  readonly output: string;
  /** Keep answers that are there. */
  readonly resume: boolean;
  readonly decoding: Decoding;
  /** Of the tests of forgetting. */
  readonly plainDecoding: Decoding;
  readonly resampling: {
    readonly test: PairedTest;
    readonly samples?: number | undefined;
    readonly seed: number;
  };
  readonly comet?: ReadComet | undefined;
  readonly onNote: (note: string) => void;
}

export interface Evaluation {
  readonly results: EvaluationResults;
  /** Of the evaluation itself, without the tests of forgetting; by system, in the order of the tables. */
  readonly asked: readonly AskedOf[];
}

/** @throws UserError for mistakes in what is given, before anything long begins */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const started = performance.now();
  const { manifest, clips, output, resume, forgetting, resampling } = options;
  const notes: string[] = [];
  const note = (text: string): void => {
    if (notes.includes(text)) return;
    notes.push(text);
    options.onNote(text);
  };
  const tests = testsOf(options, note);
  const folders = await modelFolders(options.models);
  const file = await PredictionsFile.open(join(output, 'predictions.jsonl'), resume);

  const models: EvaluatedModel[] = [];
  const asked: AskedOf[] = [];
  const unreadable = new Map<string, string>();
  const retrieved = new Map<string, RetrievedPair[]>();
  for (const folder of folders) {
    const model = await WhisperModel.load(folder.directory);
    try {
      const encoderFingerprint = await model.encoderFingerprint();
      const { name, directory, fingerprint, trained } = folder;
      models.push({ name, directory, fingerprint, encoderFingerprint, trained: trained ?? null });
      asked.push(...(await askModel(model, folder, folders, tests, file, unreadable, note, options)));
      // An encoder that was left as it was finds what it found before.
      if (forgetting && !retrieved.has(encoderFingerprint)) {
        retrieved.set(encoderFingerprint, await retrieve(model, clips, options));
      }
    } finally {
      await model.close();
    }
  }
  await file.finish(asked.flatMap(({ predictions }) => predictions));

  const main = asked.filter(({ test }) => !test.forgetting);
  if (main.every(({ predictions }) => predictions.every(({ hypothesis }) => hypothesis === undefined))) {
    throw new UserError(`${manifest}: no clip could be evaluated; see ${file.path}`);
  }
  const comet = await cometFiles(main, join(output, 'comet'), options.comet);
  const rows = tests.flatMap((test): EvaluationRow[] =>
    scoredRows(
      { test: test.name, forgetting: test.forgetting },
      systemsOf(
        asked.filter((of) => of.test === test),
        comet,
      ),
      resampling,
    ),
  );
  if (forgetting) {
    const systems = models.map((model) => retrievalSystem(model, retrieved.get(model.encoderFingerprint)!));
    rows.push(...scoredRows({ test: 'retrieval', forgetting }, systems, resampling));
  }
  const { test, samples = DEFAULT_SAMPLES[test], seed } = resampling;
  return {
    asked: main,
    results: {
      version: options.version,
      date: new Date().toISOString(),
      manifest,
      selection: options.selection,
      models,
      settings: options.decoding.settings,
      resampling: { test, samples, seed },
      signatures: signaturesOf(rows),
      rows,
      unreadable: [...unreadable].map(([audio, error]) => ({ audio, error })),
      notes,
      seconds: (performance.now() - started) / 1000,
      machine: await machine(),
    },
  };
}

function testsOf(
  { manifest, clips, selection, task, target, forgetting }: EvaluateOptions,
  note: (text: string) => void,
): Test[] {
  const own = clips.filter(({ language }) => selection.language === null || language === selection.language);
  const main = task === 'transcribe' ? recognitionTest(own, false) : translationTest(own, target, false);
  const column = task === 'transcribe' ? 'source_text' : target;
  if (main.items.length === 0) {
    const also = task === 'translate' ? ` and a language other than "${target}"` : '';
    throw new UserError(`${manifest}: none of these clips has a "${column}" reference${also}`);
  }
  const left = own.length - main.items.length;
  if (left > 0) {
    const why = task === 'transcribe' ? '' : `, or are in the language "${target}" themselves`;
    note(`${left} of ${own.length} clips have no "${column}" reference${why}: left out`);
  }
  if (!forgetting) return [main];
  const english = recognitionTest(
    clips.filter(({ language }) => language === 'en'),
    true,
  );
  const tests = [main, english, translationTest(clips, 'en', true)].filter(({ items }) => items.length > 0);
  if (english.items.length === 0) note('the set has no English clip: forgetting of English is not measured');
  return tests;
}

/** A clip, and what a model was asked about it and answered. */
interface Asked {
  readonly item: Item;
  readonly ids: readonly number[];
  readonly question: Question;
  answer: Answer | undefined;
}

async function askModel(
  model: WhisperModel,
  folder: ModelFolder,
  folders: readonly ModelFolder[],
  tests: readonly Test[],
  file: PredictionsFile,
  unreadable: Map<string, string>,
  note: (text: string) => void,
  options: EvaluateOptions,
): Promise<AskedOf[]> {
  const audioName = ({ audio }: Clip): string => relative(dirname(options.manifest), audio);
  const systems = tests.flatMap((test) =>
    promptsOf(test, folder, folders, options).map((prompt) => {
      const notDefined = new Map<string, string>();
      const settings = hash((test.forgetting ? options.plainDecoding : options.decoding).settings);
      const asked = test.items.flatMap((item): Asked[] => {
        const { language } = item.clip;
        const ids = promptFor(model.tokens, test, prompt, language);
        if (!ids) {
          notDefined.set(language, `the model has no token for ${language}`);
          note(`${prompt} is not defined for "${language}": ${folder.name} has no token for that language`);
          return [];
        }
        const question = {
          test: test.forgetting ? `forgetting: ${test.name}` : test.name,
          fingerprint: folder.fingerprint,
          settings,
          prompt,
          promptTokens: model.tokens.decodeEach(ids).join(''),
          audio: audioName(item.clip),
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
    sourceText: spokenText(item.clip),
    ...(answer && {
      hypothesis: answer.hypothesis,
      averageLogProbability: answer.averageLogProbability,
      ...sentenceScores(test, item.clip.language, answer.hypothesis, item.reference),
    }),
    ...(!answer && { error: unreadable.get(question.audio) ?? 'not read' }),
  });

  let done = all.length - missing.length;
  const progress = startProgress(`evaluating ${folder.name}`, all.length, {
    from: done,
    quiet: missing.length === 0,
  });
  let cut = 0;
  for (let start = 0; start < toRead.length; start += CLIPS_PER_ROUND) {
    const clips = toRead.slice(start, start + CLIPS_PER_ROUND);
    const encoded = await encodeFiles(
      model,
      clips.map(({ audio }) => audio),
      {
        window: options.window,
        cache: options.cache,
        onError: (audio, error) => {
          unreadable.set(relative(dirname(options.manifest), audio), error.message);
        },
      },
    );
    const heard = new Map(clips.flatMap((clip, i) => (encoded[i] ? [[clip, encoded[i]] as const] : [])));
    cut += [...heard.values()].filter(({ length }) => length >= FULL_WINDOW_POSITIONS).length;
    for (const { test, asked } of systems) {
      const mine = asked.filter(({ item, answer }) => !answer && clips.includes(item.clip));
      const readable = mine.filter(({ item }) => heard.has(item.clip));
      const { decoding, temperatures } = await decodingFor(model, test, options);
      const decoded = await decodeWithFallback(
        model,
        readable.map(({ item }) => heard.get(item.clip)!),
        {
          ...decoding,
          temperatures,
          prompts: readable.map(({ ids }) => ids),
          onProgress: (count) => progress.update(done + count),
        },
      );
      decoded.forEach(({ text, silent, averageLogProbability }, i) => {
        // As `translate` and `transcribe` have it: where nobody seems to speak there is no text.
        readable[i]!.answer = { hypothesis: silent ? '' : text, averageLogProbability };
      });
      await file.add(mine.map((one) => predictionOf(test, one)));
      done += mine.length;
      progress.update(done);
    }
  }
  progress.done();
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

function promptsOf(
  { task, target, forgetting }: Test,
  folder: ModelFolder,
  folders: readonly ModelFolder[],
  { promptKinds }: EvaluateOptions,
): readonly PromptName[] {
  if (task === 'transcribe') return ['transcribe'];
  if (forgetting) return ['source-translate'];
  return promptKinds ?? defaultPrompts(folder, folders, target!);
}

/** Read once for each model: a language model or a vocabulary takes a while. */
const decodings = new WeakMap<WhisperModel, Map<Decoding, ReturnType<Decoding['of']>>>();
function decodingFor(
  model: WhisperModel,
  { forgetting }: Test,
  options: EvaluateOptions,
): ReturnType<Decoding['of']> {
  const decoding = forgetting ? options.plainDecoding : options.decoding;
  const known = decodings.get(model) ?? new Map();
  decodings.set(model, known);
  if (!known.has(decoding)) known.set(decoding, decoding.of(model));
  return known.get(decoding)!;
}

async function retrieve(
  model: WhisperModel,
  clips: readonly Clip[],
  { window, cache }: EvaluateOptions,
): Promise<RetrievedPair[]> {
  const languages = new Map<string, Set<string>>();
  for (const { key, language } of clips) languages.set(key, (languages.get(key) ?? new Set()).add(language));
  const parallel = clips.filter(({ key }) => key !== '' && languages.get(key)!.size > 1);
  const progress = startProgress('encoding for retrieval', parallel.length);
  const encoded = await encodeFiles(
    model,
    parallel.map(({ audio }) => audio),
    { window, cache, onProgress: (done) => progress.update(done), onError: () => {} },
  );
  progress.done();
  return retrieveAllPairs(
    model,
    parallel.flatMap((clip, i) => (encoded[i] ? [{ clip, encoded: encoded[i] }] : [])),
  );
}

function retrievalSystem({ name }: EvaluatedModel, pairs: readonly RetrievedPair[]): System {
  const language = ({ from, to }: RetrievedPair): string => `${from}→${to}`;
  const signature = 'SeqSim of encoder outputs, the translation is the most similar of all sentences';
  return {
    model: name,
    prompt: '',
    clips: new Map(pairs.map((pair) => [language(pair), pair.hits.map((_, i) => String(i))])),
    counts: new Map(pairs.map((pair) => [language(pair), new Map([['r@1', hitRate(pair.hits, signature)]])])),
    notDefined: new Map(),
  };
}

function signaturesOf(rows: readonly EvaluationRow[]): EvaluationResults['signatures'] {
  const found: Record<string, Record<string, string[]>> = {};
  for (const { test, languages, scores } of rows) {
    if (languages !== undefined) continue;
    for (const [metric, { signature }] of Object.entries(scores)) {
      const known = ((found[test] ??= {})[metric] ??= []);
      if (!known.includes(signature)) known.push(signature);
    }
  }
  return found;
}

function hash(settings: Decoding['settings']): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 12);
}
