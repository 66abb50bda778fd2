/** A training run and its folder: checkpoints, metrics, report, evaluations, and the model at the end. */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EXPERTS_FOLDER, refuseUnlessModel } from '../checkpoint/directory.ts';
import { referenceIn } from '../data/clip.ts';
import { UnreadableRecording } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { exists } from '../files/read.ts';
import { createFolder, writeJson, writeWhole } from '../files/write-whole.ts';
import { LANGUAGE_ROW } from '../whisper/decoder.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { mergeLanguageRow } from '../whisper/language-token.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type Example, readyExample, withClip } from './batches.ts';
import {
  type IsFormer,
  prepareCheckpoints,
  type RunRecord,
  type RunSettings,
  readCheckpointOf,
  resumption,
  writeTrainingCheckpoint,
} from './checkpoints.ts';
import type { BestBy } from './choices.ts';
import { bestEvaluation, type DevEvaluation, evaluateDevSet } from './dev-evaluation.ts';
import type { DevExample, EncodedExample } from './examples.ts';
import { createExperts, trainedExperts } from './experts.ts';
import { mergeLora, saveLora } from './lora.ts';
import { MetricsFile } from './metrics.ts';
import { quantizeWeights } from './quantization.ts';
import { trainingReport } from './report-html.ts';
import { restoreWeights, type StepReport, type TrainingOptions, trainDecoder } from './train.ts';
import { tunedWeights, tuningAdapters } from './tuned-weights.ts';

/** Number of consecutive steps without a finite loss or gradient after which a run ends. */
const MAX_SKIPPED = 10;

export interface DevSet {
  readonly examples: readonly DevExample[];
  /** With a tuned encoder: encodes the examples' clips with its current weights. */
  readonly encode?: ((examples: readonly DevExample[]) => Promise<readonly EncodedClip[]>) | undefined;
  /** Steps between evaluations; the last step is evaluated, too. */
  readonly every: number;
  /** Metric that chooses the best evaluation. */
  readonly best: BestBy;
  /** Early stopping: number of evaluations without a better one after which the run ends. Default: none. */
  readonly patience?: number | undefined;
}

export interface RunOptions {
  readonly output: string;
  /** Text of recipe.json, saved beside the model. */
  readonly recipe: string;
  readonly settings: RunSettings;
  /** Whether a checkpoint's setting is the same in the form of an earlier version. Default: none is. */
  readonly isFormer?: IsFormer | undefined;
  readonly training: TrainingOptions;
  readonly checkpointEvery: number;
  readonly resume: boolean;
  readonly devSet?: DevSet | undefined;
  /** Weights to save: those of the best evaluation, or the last. */
  readonly keep: 'best' | 'last';
  /** Ends the run after its step, with a checkpoint and without a model. */
  readonly signal?: AbortSignal | undefined;
  /** Reports a note for the user, one line. */
  readonly note: (line: string) => void;
  /** Called once the first step is known. */
  readonly onStart: (step: number) => void;
  /** Called after each step; `stop` ends the run there, with a checkpoint. */
  readonly onStep: (report: StepReport) => 'stop' | undefined;
  readonly onEvaluation: (evaluation: DevEvaluation) => void;
  /** Writes the model into a folder. */
  readonly save: (folder: string) => Promise<void>;
}

export interface RunResult {
  /** Reports of all steps, those before a resumption included. */
  readonly reports: readonly StepReport[];
  readonly evaluations: readonly DevEvaluation[];
  /** Step of the saved weights. */
  readonly saved: number;
}

/** @throws UserError where the folder is another run's or cannot be written, or the loss is no longer finite */
export async function runTraining(
  model: WhisperModel,
  examples: readonly Example[],
  options: RunOptions,
): Promise<RunResult> {
  const { output, settings, training, devSet, signal, note } = options;
  const folder = await prepareOutput(output, options.resume);
  await createFolder(folder);
  const found = await resumption(folder, settings, options);
  await writeWhole(join(output, 'recipe.json'), options.recipe);
  const adapters = tuningAdapters(model.dimensions, training);
  const experts = trainedExperts(training);
  const reports = [...(found?.record.reports ?? [])];
  const evaluations = [...(found?.record.evaluations ?? [])];
  const record = (): RunRecord => ({ settings, reports, evaluations });
  const first = found?.state.step ?? 0;
  let last = first;
  options.onStart(first);
  const metrics = await MetricsFile.open(join(output, 'metrics.jsonl'), first);
  const bestSoFar = () => devSet && bestEvaluation(evaluations, devSet.best);
  const report = () => writeWhole(join(output, 'report.html'), trainingReport(record(), bestSoFar()));
  const best = () => (options.keep === 'best' ? bestSoFar()?.step : undefined);
  const waitedEnough = () =>
    devSet?.patience !== undefined &&
    evaluations.length - 1 - evaluations.indexOf(bestSoFar()!) >= devSet.patience;

  let stopped = false;
  if (first < training.steps && !(evaluations.length > 0 && waitedEnough())) {
    await trainDecoder(model, examples, {
      ...training,
      ...(found && { from: found.state }),
      pausesAfter: (step) =>
        step === training.steps ||
        step % options.checkpointEvery === 0 ||
        (devSet !== undefined && step % devSet.every === 0),
      onStep: async (step, { state, batch, paused, isCurrent }) => {
        reports.push(step);
        last = step.step;
        await metrics.addStep(step);
        if (options.onStep(step) === 'stop' || signal?.aborted) stopped = true;
        if (reports.slice(-MAX_SKIPPED).filter(({ skipped }) => skipped).length === MAX_SKIPPED) {
          throw await notFiniteError(output, step, batch);
        }
        if (!isCurrent) return stopped ? 'stop' : undefined;
        const atEnd = step.step === training.steps;
        let enough = false;
        if (devSet && !signal?.aborted && (atEnd || step.step % devSet.every === 0)) {
          const { vocabulary } = training;
          const evaluation = await paused(async () => {
            const undo = await withInferenceWeights(model, training);
            const clips = await encodedExamples(model, devSet, note);
            const found = await evaluateDevSet(model, clips, {
              step: step.step,
              vocabulary,
              variant: experts && { experts: { ...experts, gate: 'hard' } },
            });
            await undo();
            return found;
          });
          evaluations.push(evaluation);
          await metrics.addEvaluation(evaluation);
          await report();
          options.onEvaluation(evaluation);
          enough = waitedEnough();
        }
        const ends = atEnd || stopped || enough;
        if (ends || step.step % options.checkpointEvery === 0 || best() === step.step) {
          await writeTrainingCheckpoint(folder, await state(), record(), best());
        }
        return ends ? 'stop' : undefined;
      },
    });
  } else if (found) {
    if (experts) await createExperts(model, experts, training.seed);
    await restoreWeights(model, found.state);
  }

  signal?.throwIfAborted();
  await report();
  const chosen = best() ?? last;
  if (chosen !== last) await restoreWeights(model, await readCheckpointOf(folder, chosen));
  if (adapters) await saveLora(model, adapters, join(output, 'adapter'));
  await mergeTrained(model, training);
  await saveInto(output, options.save);
  return { reports, evaluations, saved: chosen };
}

/** Merges adapters or quantises, as the saved model will be. @returns a function that undoes it */
async function withInferenceWeights(
  model: WhisperModel,
  training: TrainingOptions,
): Promise<() => Promise<void>> {
  const { dimensions } = model;
  const unmerge = await mergeTrained(model, training);
  if (!training.quantization) return unmerge;
  const own = tunedWeights(dimensions, training).filter((name) => name !== LANGUAGE_ROW);
  const unround = await quantizeWeights(model, own, training.quantization.bits);
  return async () => {
    await unround();
    await unmerge();
  };
}

/** Merges adapters and the like into the model's weights. @returns a function that undoes it */
async function mergeTrained(model: WhisperModel, training: TrainingOptions): Promise<() => Promise<void>> {
  const adapters = tuningAdapters(model.dimensions, training);
  const rowMerged = tunedWeights(model.dimensions, training).includes(LANGUAGE_ROW);
  const withoutRow = rowMerged ? await mergeLanguageRow(model) : undefined;
  const withoutAdapters = adapters && (await mergeLora(model, adapters));
  return async () => {
    await withoutAdapters?.();
    await withoutRow?.();
  };
}

/** The dev set's clips, encoded; those that cannot be read are left out. */
async function encodedExamples(
  model: WhisperModel,
  { examples, encode }: DevSet,
  note: (line: string) => void,
): Promise<readonly EncodedExample[]> {
  if (!encode) {
    const ready = await Promise.all(
      examples.map((example) =>
        readyExample(example, 0).catch((error: unknown) => {
          if (!(error instanceof UnreadableRecording)) throw error;
          note(error.message);
          return undefined;
        }),
      ),
    );
    return ready.filter((one) => one !== undefined) as unknown as EncodedExample[];
  }
  await model.encoderChanged();
  const clips = await encode(examples);
  await model.releaseEncoder();
  return examples.map((example, i) => withClip(example, clips[i]!));
}

/**
 * Checks the folder; call it before long work, too. Files that are not this run's are kept.
 * @returns the folder of checkpoints
 */
export async function prepareOutput(output: string, resume: boolean): Promise<string> {
  if (!(await exists(join(output, 'checkpoints')))) await refuseUnlessModel(output);
  return prepareCheckpoints(output, resume);
}

/**
 * Moves a model into the folder file by file, so that checkpoints and metrics never leave it. If interrupted,
 * there is no config.json: the folder does not count as a model, and --resume repeats the move.
 */
async function saveInto(output: string, save: (folder: string) => Promise<void>): Promise<void> {
  const fresh = join(output, 'model.incomplete');
  await rm(fresh, { recursive: true, force: true });
  await save(fresh);
  const names = await readdir(fresh);
  await rm(join(output, 'config.json'), { force: true });
  for (const name of await readdir(output)) {
    // Removes an older model's other shards, which would mix two models, and its experts.
    if (/^model.*\.safetensors/.test(name) || name === EXPERTS_FOLDER)
      await rm(join(output, name), { recursive: true });
  }
  for (const name of [...names.filter((name) => name !== 'config.json'), 'config.json']) {
    await rename(join(fresh, name), join(output, name));
  }
  await rm(fresh, { recursive: true });
}

async function notFiniteError(
  output: string,
  { step }: StepReport,
  batch: readonly Example[],
): Promise<UserError> {
  const file = join(output, `not-finite-step-${step}.json`);
  const clips = batch.map(({ source, target, tokens }) => ({
    audio: source?.audio,
    text: source && target && referenceIn(source, target),
    tokens,
  }));
  await writeJson(file, { step, clips });
  return new UserError(
    `step ${step}: loss or gradient was not finite ${MAX_SKIPPED} times in a row; the last batch is in ${file}. ` +
      'Expected usable recordings and a learning rate that is not too high',
  );
}
