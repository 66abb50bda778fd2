/**
 * An evaluation: every model decodes every clip with every prompt, predictions are stored as they come, and scored together
 * at the end.
 */
import { join } from 'node:path';
import { type Clip, missingReference } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { sameLanguage } from '../language/profile.ts';
import { prepareMetrics } from '../metrics/metrics.ts';
import { DEFAULT_SAMPLES, type PairedTest } from '../metrics/significance.ts';
import type { BleuTokenizer } from '../metrics/tokenizers.ts';
import { machine } from '../report/machine.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { PromptKind } from '../whisper/prompts.ts';
import type { Task } from '../whisper/tokens.ts';
import { cometFiles, type ReadComet } from './comet.ts';
import { type RetrievedPair, retrievalSystem, retrieveAllPairs } from './forgotten-retrieval.ts';
import { defaultPrompts, type ModelFolder, modelFolders } from './models.ts';
import { type PredictOptions, predict } from './predict.ts';
import { type Prediction, PredictionsFile } from './predictions.ts';
import type { EvaluatedModel, EvaluationResults, EvaluationRow } from './results.ts';
import { scoredRows } from './scores.ts';
import { type SystemOutput, systemsOf } from './systems.ts';
import { type PromptName, recognitionTest, type Test, translationTest } from './tasks.ts';

export interface EvaluateModelsOptions extends Omit<PredictOptions, 'file' | 'note'> {
  readonly version: string;
  readonly selection: EvaluationResults['selection'];
  /** All clips of the set, whatever their language. */
  readonly clips: readonly Clip[];
  readonly task: Task;
  /** Any language that the clips have references in. */
  readonly target: string;
  /** Model folders; the first is the baseline. */
  readonly models: readonly string[];
  /** BLEU tokenizer for translations into `target`; must be loaded. Default: that of the target's profile. */
  readonly tokenize?: BleuTokenizer | undefined;
  /** Default: see {@link defaultPrompts}. */
  readonly promptKinds?: readonly PromptKind[] | undefined;
  /** Also test plain Whisper's abilities: English recognition, translation into English, cross-lingual retrieval. */
  readonly forgetting: boolean;
  /** Folder of the results. */
  readonly output: string;
  /** Reuse predictions in `output`. */
  readonly resume: boolean;
  readonly resampling: {
    readonly test: PairedTest;
    readonly samples?: number | undefined;
    readonly seed: number;
  };
  readonly comet?: ReadComet | undefined;
  readonly onNote: (note: string) => void;
}

export interface ModelsEvaluation {
  readonly results: EvaluationResults;
  /** Predictions by system, in the order of the tables, without the tests of forgetting. */
  readonly outputs: readonly SystemOutput[];
}

/** Runs an evaluation. @throws UserError for mistakes in the options, before any long work */
export async function evaluateModels(options: EvaluateModelsOptions): Promise<ModelsEvaluation> {
  const started = performance.now();
  const { manifest, clips, output, resume, forgetting, resampling } = options;
  const notes: string[] = [];
  const note = (text: string): void => {
    if (notes.includes(text)) return;
    notes.push(text);
    options.onNote(text);
  };
  const tests = testsOf(options, note);
  const written = tests.flatMap(({ target, items }) => target ?? items.map(({ clip }) => clip.language));
  for (const language of new Set(written)) await prepareMetrics(language);
  const folders = await modelFolders(options.models);
  const path = join(output, 'predictions.jsonl');
  const file = await PredictionsFile.open(path, resume);

  const models: EvaluatedModel[] = [];
  const predicted: SystemOutput[] = [];
  const unreadable = new Map<string, string>();
  const retrieved = new Map<string, RetrievedPair[]>();
  for (const folder of folders) {
    options.signal?.throwIfAborted();
    const model = await WhisperModel.load(folder.directory);
    try {
      const encoderFingerprint = await model.encoderFingerprint();
      const { name, directory, fingerprint, trained } = folder;
      models.push({ name, directory, fingerprint, encoderFingerprint, trained: trained ?? null });
      const prompts = (test: Test) => promptsOf(test, folder, folders, options);
      const work = { ...options, file, note };
      for (const output of await predict(model, folder, tests, prompts, unreadable, work))
        predicted.push(output);
      // A frozen encoder retrieves as before: measured once.
      if (forgetting && !retrieved.has(encoderFingerprint)) {
        retrieved.set(encoderFingerprint, await retrieveAllPairs(model, clips, options));
      }
    } finally {
      await model.close();
    }
  }
  await file.finish(allPredictions(predicted));
  let first = 0;
  const outputs = predicted.map((output): SystemOutput => {
    const predictions = file.slice(first, output.items.length);
    first += output.items.length;
    return { ...output, predictions };
  });

  const main = outputs.filter(({ test }) => !test.forgetting);
  if (!main.some(hasPrediction)) {
    throw new UserError(`${manifest}: no clip could be evaluated; see ${path}`);
  }
  const comet = await cometFiles(main, join(output, 'comet'), options.comet);
  const scoring = { ...resampling, onProgress: options.onProgress, signal: options.signal };
  const rows: EvaluationRow[] = [];
  for (const test of tests) {
    const systems = await systemsOf(
      outputs.filter((of) => of.test === test),
      comet,
    );
    const { name, forgetting } = test;
    for (const row of await scoredRows({ test: name, forgetting }, systems, scoring)) rows.push(row);
  }
  if (forgetting) {
    const systems = models.map((model) =>
      retrievalSystem(model.name, retrieved.get(model.encoderFingerprint)!),
    );
    for (const row of await scoredRows({ test: 'retrieval', forgetting }, systems, scoring)) rows.push(row);
  }
  const { test, samples = DEFAULT_SAMPLES[test], seed } = resampling;
  return {
    outputs: main,
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

function* allPredictions(outputs: readonly SystemOutput[]): Generator<Prediction> {
  for (const { predictions } of outputs) yield* predictions;
}

function hasPrediction({ predictions }: SystemOutput): boolean {
  for (const { hypothesis } of predictions) if (hypothesis !== undefined) return true;
  return false;
}

function testsOf(
  { manifest, clips, selection, task, target, forgetting, tokenize }: EvaluateModelsOptions,
  note: (text: string) => void,
): Test[] {
  const own = clips.filter(({ language }) => selection.language === null || language === selection.language);
  const main =
    task === 'transcribe'
      ? recognitionTest(own, false)
      : { ...translationTest(own, target, false), tokenize };
  if (main.items.length === 0) {
    throw new UserError(
      task === 'transcribe'
        ? `${manifest}: found no text of what is said (column text) in these clips`
        : own.every(({ language }) => sameLanguage(language, target))
          ? `${manifest}: found only clips in "${target}" itself; expected another language to translate from`
          : missingReference(manifest, own, target),
    );
  }
  const left = own.length - main.items.length;
  if (left > 0) {
    const why =
      task === 'transcribe'
        ? 'no text of what is said'
        : `no text in "${target}", or are in that language themselves`;
    note(`${left} of ${own.length} clips have ${why}: skipped`);
  }
  if (!forgetting) return [main];
  const english = recognitionTest(
    clips.filter(({ language }) => language === 'en'),
    true,
  );
  const tests = [main, english, translationTest(clips, 'en', true)].filter(({ items }) => items.length > 0);
  if (english.items.length === 0) note('the set has no English clip: forgetting of English is not measured');
  if (tests.every(({ name, forgetting }) => !forgetting || name === english.name))
    note('no clip has a translation into English: forgetting of it is not measured');
  return tests;
}

function promptsOf(
  { task, target, forgetting }: Test,
  folder: ModelFolder,
  folders: readonly ModelFolder[],
  { promptKinds }: EvaluateModelsOptions,
): readonly PromptName[] {
  if (task === 'transcribe') return ['transcribe'];
  if (forgetting) return ['source-translate'];
  return promptKinds ?? defaultPrompts(folder, folders, target!);
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
