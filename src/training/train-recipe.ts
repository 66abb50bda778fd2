/** Training by a recipe: from its clips to a model in its output folder. */
import { join, resolve } from 'node:path';
import { abortable } from '../abort.ts';
import { DeviceMemoryError } from '../backend/device.ts';
import type { Device } from '../backend/runtime.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { modelFingerprint } from '../checkpoint/model-fingerprint.ts';
import type { Clip } from '../data/clip.ts';
import { TRAINING_DATA, trainingDataOf } from '../data/machine-made.ts';
import { UserError } from '../errors.ts';
import { freeDisk } from '../files/free-disk.ts';
import { lockFolder } from '../files/lock.ts';
import { writeJson } from '../files/write-whole.ts';
import { modelFolder } from '../hub/model-folder.ts';
import { languageProfile } from '../language/profile.ts';
import { formatNumber } from '../report/format.ts';
import type { WorkOptions } from '../report/progress.ts';
import { WhisperModel } from '../whisper/model.ts';
import { promptOf } from '../whisper/prompts.ts';
import { withModel } from '../whisper/with-model.ts';
import { paddingShares } from './batches.ts';
import type { RunSettings } from './checkpoints.ts';
import type { DevEvaluation } from './dev-evaluation.ts';
import { describeGates, openGates } from './experts.ts';
import { type TrainingPlan, trainingPlan } from './plan.ts';
import { quantizeFrozen } from './quantization.ts';
import type { Recipe } from './recipe.ts';
import { type RecipeClips, recipeClips, type TrainingData, trainingData } from './recipe-data.ts';
import { asBegun, withManifests } from './recipe-datasets.ts';
import { mapPaths } from './recipe-keys.ts';
import { checkObjective, recipeObjective } from './recipe-objective.ts';
import { fileSettings, recipeText, weightSettings } from './recipe-settings.ts';
import { type RecipeSource, readRecipe } from './recipe-source.ts';
import { prepareOutput, type RunResult, runTraining } from './run.ts';
import { saveModel } from './save.ts';
import {
  type ShareBatches,
  type StepReport,
  type TrainingBatches,
  type TrainingOptions,
  trainingBatches,
} from './train.ts';
import { type Tuning, tunedWeights } from './tuned-weights.ts';

/** A training whose batches other processes can compute, too. */
export interface SharedTraining {
  /** With absolute paths; none for the model is the embedded one. */
  readonly recipe: Recipe;
  /** All that a batch's gradient depends on, beside the weights of its step. */
  readonly settings: RunSettings;
  readonly device: Device;
  /** Bytes of the trained weights, and of all. */
  readonly bytes: { readonly trained: number; readonly all: number };
}

/** What computes batches of a training elsewhere. */
export interface Sharing {
  readonly share: ShareBatches;
  /** Who takes part, in a word or two. */
  readonly note: () => string;
  readonly end: () => Promise<void>;
}

export interface TrainOptions extends WorkOptions {
  /** Resume from the newest whole checkpoint in the output. Default: there must be none. */
  readonly resume?: boolean | undefined;
  /** Called before the first step. */
  readonly onPlan?: ((plan: TrainingPlan) => void) | undefined;
  /** Called after each step; returning 'stop' ends the training there, and the model is saved. */
  readonly onStep?: ((report: StepReport) => unknown) | undefined;
  readonly onEvaluation?: ((evaluation: DevEvaluation) => void) | undefined;
  /**
   * Called before the first step, and gives what computes batches elsewhere. Default: all are computed here.
   * @internal
   */
  readonly sharing?: ((training: SharedTraining) => Promise<Sharing>) | undefined;
}

export interface TrainResult {
  /** Folder of the trained model. */
  readonly model: string;
  /** Number of training clips. */
  readonly examples: number;
  /** Those of them whose recording turned out to be unreadable when it was needed. */
  readonly unreadable: number;
  /** Steps taken, those before a resumption included, and how many of them were skipped. */
  readonly steps: number;
  readonly skipped: number;
  /** Step of the saved weights. */
  readonly saved: number;
  /** Mean loss of the last steps that were not skipped, ten at most. */
  readonly loss: number;
  /** Shares of padding among the frames and among the tokens, 0 to 1. */
  readonly padding: TrainingPlan['padding'];
  readonly evaluations: readonly DevEvaluation[];
  readonly reports: readonly StepReport[];
  /** Of the steps of this run, without those before a resumption. */
  readonly seconds: number;
}

/**
 * Trains a model and writes it in Hugging Face layout.
 *
 * When `options.signal` aborts, the promise rejects at once; the run ends after its current step, with a checkpoint for
 * `resume`, and without a model. A next run in the same output folder waits for that.
 * @throws UserError for what is wrong with the recipe, the clips or the model, before anything long begins
 */
export function train(source: RecipeSource, options: TrainOptions = {}): Promise<TrainResult> {
  return abortable(options.signal, async () =>
    trainRecipe(await withFiles(await readRecipe(source), options), options),
  );
}

/** The recipe with models of the hub as folders of its cache, and manifests of data sets: fetched where they are missing. */
async function withFiles(given: Recipe, options: TrainOptions): Promise<Recipe> {
  const { onProgress, onSkip, onNote, signal } = options;
  const work: WorkOptions = { onProgress, onSkip, onNote, signal };
  if (given.data.corpora.some(({ dataset }) => dataset !== undefined))
    await prepareOutput(given.output, Boolean(options.resume));
  const recipe = await withManifests(options.resume ? await asBegun(given, work) : given, work);
  const { model, objective } = recipe;
  const { distillation } = objective;
  return {
    ...recipe,
    ...(model !== undefined && { model: await modelFolder(model, work) }),
    ...(distillation && {
      objective: {
        ...objective,
        distillation: { ...distillation, teacher: await modelFolder(distillation.teacher, work) },
      },
    }),
  };
}

interface OpenRecipe {
  readonly recipe: Recipe;
  readonly clips: RecipeClips;
  /** Language of the texts, the first where there are several. */
  readonly target: string;
  /** Fingerprints of the model and of the files that the recipe names. */
  readonly files: RunSettings;
  readonly load: () => Promise<WhisperModel>;
}

/** Reads what a recipe names, but for recordings and weights. */
async function openRecipe(given: Recipe): Promise<OpenRecipe> {
  const directory = given.model ?? embeddedModel;
  if (resolve(given.output) === resolve(directory)) {
    throw new UserError(`--output ${given.output}: is the model that is trained; expected another folder`);
  }
  const clips = spokenIn(given.tune.experts?.languages[0], await recipeClips(given));
  const [target, ...others] = clips.targets;
  // The saved recipe names the target even where the given one does not.
  const recipe = others.length > 0 ? given : { ...given, target: given.target ?? target };
  const files = { model: await modelFingerprint(directory), ...(await fileSettings(recipe)) };
  const { decoderLayers } = recipe.tune;
  const languageToken = recipe.targetToken && {
    ...recipe.targetToken,
    language: languageProfile(target!).base,
  };
  const load = () => WhisperModel.load(directory, { decoderLayers, languageToken, device: recipe.device });
  return { recipe, clips, target: target!, files, load };
}

/**
 * Opens a recipe's training to compute batches of it, for another process that runs it.
 * @returns with all that their gradients depend on
 */
export async function openBatches(
  given: Recipe,
  work: WorkOptions,
): Promise<TrainingBatches & { readonly settings: RunSettings }> {
  const { recipe, clips, files, load } = await openRecipe(given);
  const model = await load();
  try {
    const { data, training, close } = await prepared(model, recipe, clips, work);
    const batches = await trainingBatches(model, data.examples, training);
    return {
      ...batches,
      settings: sharedSettings(settingsOf(recipe, files, data, model.runtime.threads), data),
      close: async () => {
        await batches.close();
        await close();
        await model.close();
      },
    };
  } catch (error) {
    await model.close();
    throw error;
  }
}

/** Settings that another process must have, too, which has to see the same recordings. */
function sharedSettings(settings: RunSettings, { recordings }: TrainingData): RunSettings {
  return { ...settings, recordings };
}

async function trainRecipe(given: Recipe, options: TrainOptions): Promise<TrainResult> {
  const { signal, onNote, onProgress } = options;
  const { recipe, clips, target, files, load } = await openRecipe(given);
  for (const note of clips.notes) onNote?.(note);
  const work = async (model: WhisperModel): Promise<TrainResult> => {
    await prepareOutput(recipe.output, Boolean(options.resume));
    const { onProgress, onSkip, onNote, signal } = options;
    const { data, training, close } = await prepared(model, recipe, clips, {
      ...{ onProgress, onSkip, onNote, signal },
    });
    try {
      return await run(model, data, training);
    } finally {
      await close();
    }
  };
  const run = async (
    model: WhisperModel,
    data: TrainingData,
    given: TrainingOptions,
  ): Promise<TrainResult> => {
    let unreadable = 0;
    const training = {
      ...given,
      onUnreadable: (reason: string) => {
        unreadable++;
        options.onSkip?.(reason);
      },
    };
    const { examples, devSet, vocabulary } = data;
    const plan = await trainingPlan(model, data, training);
    await checkDisk(recipe, plan);
    options.onPlan?.(plan);
    signal?.throwIfAborted();
    const started = performance.now();
    let resumed = 0;
    const lastSteps: StepReport[] = [];
    const progress = (done: number, note?: string) =>
      onProgress?.({ stage: 'training', done, total: training.steps, note, resumed });
    const settings = settingsOf(recipe, files, data, model.runtime.threads);
    const sharing = await options.sharing?.({
      recipe: mapPaths(recipe, (path) => resolve(path)) as Recipe,
      settings: sharedSettings(settings, data),
      device: model.runtime.device,
      // A checkpoint has two moments of each weight.
      bytes: { trained: plan.memory.checkpoint / 3, all: plan.memory.weights },
    });
    const result = await runTraining(model, examples, {
      output: recipe.output,
      recipe: recipeText(recipe),
      settings,
      isFormer: data.isFormer,
      training: { ...training, share: sharing?.share },
      checkpointEvery: recipe.checkpointEvery,
      resume: Boolean(options.resume),
      devSet,
      keep: recipe.dev?.keep ?? 'last',
      signal,
      note: (line) => onNote?.(line),
      onStart: (step) => {
        resumed = step;
        progress(step);
      },
      onStep: (report) => {
        const rate = (report.tokens / report.seconds).toFixed(0);
        const others = sharing ? `  ${sharing.note()}` : '';
        progress(report.step, `loss ${report.loss.toFixed(3)}  ${rate} tokens/s${others}`);
        lastSteps.push(report);
        if (report.step % recipe.checkpointEvery === 0 || report.step === training.steps) {
          const gates = openGates(lastSteps.splice(0));
          if (gates.size > 0) onNote?.(`step ${report.step}: gates open at test: ${describeGates(gates)}`);
        }
        if (report.skipped) onNote?.(`step ${report.step} skipped: loss or gradient is not finite`);
        return options.onStep?.(report) === 'stop' ? 'stop' : undefined;
      },
      onEvaluation: (evaluation) => options.onEvaluation?.(evaluation),
      save: (folder) =>
        saveModel(model, folder, {
          prompt: { target, targets: clips.targets, kind: recipe.prompt },
          vocabulary,
          dtype: recipe.dtype,
        }),
    })
      .catch((error: unknown) => {
        throw error instanceof DeviceMemoryError ? withNeed(error, plan) : error;
      })
      .finally(() => sharing?.end());
    const seconds = (performance.now() - started) / 1000;
    await writeJson(join(recipe.output, TRAINING_DATA), trainingDataOf(clips.training, clips.targets));
    return { model: recipe.output, examples: examples.length, unreadable, ...summaryOf(result), seconds };
  };
  return lockFolder(recipe.output, () => withModel(load(), work), options);
}

/** The error with what a step was estimated to need. */
function withNeed({ message }: DeviceMemoryError, { memory: { card = 0 } }: TrainingPlan): UserError {
  return new UserError(`${message}; a step was estimated to need ${formatNumber(card / 1e9, 2)} GB there`);
}

/** @throws UserError where the disk has no room for one checkpoint and the model */
async function checkDisk({ output, dtype }: Recipe, { memory }: TrainingPlan): Promise<void> {
  const needed = memory.checkpoint + memory.weights / (dtype === 'float16' ? 2 : 1);
  const free = await freeDisk(output);
  if (!(free < needed)) return;
  const gb = (bytes: number): string => formatNumber(bytes / 1e9, 2);
  throw new UserError(
    `${output}: found ${gb(free)} GB free on its disk; expected at least ${gb(needed)} GB for a checkpoint and the model`,
  );
}

/** Prepares everything before the first step. Mistakes are found before long work begins. */
async function prepared(
  model: WhisperModel,
  recipe: Recipe,
  clips: RecipeClips,
  work: WorkOptions,
): Promise<{ data: TrainingData; training: TrainingOptions; close: () => Promise<void> }> {
  const tuning = tuningOf(recipe);
  tunedWeights(model.dimensions, tuning);
  const pairs = new Map(
    [...clips.training, ...clips.dev].map((clip) => [`${clip.language} ${clip.target}`, clip]),
  );
  for (const { language, target } of pairs.values()) promptOf(model.tokens, recipe.prompt, target, language);
  await checkObjective(model, recipe, clips.training);
  await quantizeFrozen(model, tuning);
  const data = await trainingData(model, recipe, clips, work);
  const { objective, close } = await recipeObjective(model, recipe, data.examples, work);
  return { data, training: { ...trainingOptions(recipe, tuning, data), objective }, close };
}

/** @param files fingerprints of the model and of the files that the recipe names */
function settingsOf(recipe: Recipe, files: RunSettings, data: TrainingData, threads: number): RunSettings {
  const { model, ...others } = files;
  return {
    model: model!,
    threads,
    ...weightSettings(recipe),
    ...others,
    ...data.fingerprints,
  };
}

function summaryOf({
  reports,
  evaluations,
  saved,
}: RunResult): Omit<TrainResult, 'model' | 'examples' | 'unreadable' | 'seconds'> {
  const last = reports.filter(({ skipped }) => !skipped).slice(-10);
  return {
    steps: reports.length,
    skipped: reports.filter(({ skipped }) => skipped).length,
    saved,
    loss: last.reduce((sum, { loss }) => sum + loss, 0) / last.length,
    padding: paddingShares(reports.map(({ size }) => size)),
    evaluations,
    reports,
  };
}

/** Experts are trained on clips of their language only. */
function spokenIn(language: string | undefined, { training, dev, targets, notes }: RecipeClips): RecipeClips {
  if (language === undefined) return { training, dev, targets, notes };
  const own = <C extends Clip>(clips: readonly C[]): C[] =>
    clips.filter((clip) => clip.language === language);
  const clips = { training: own(training), dev: own(dev), targets, notes };
  const has = [...new Set(training.map((clip) => clip.language))].join(', ');
  if (clips.training.length === 0)
    throw new UserError(`experts of "${language}": no clip of the corpora is in it; they have ${has}`);
  if (clips.dev.length === 0 && dev.length > 0)
    throw new UserError(`experts of "${language}": no clip of the dev set is in it`);
  return clips;
}

function tuningOf({
  tune: { part, embedding, lora, quantization, experts },
  objective,
  targetToken,
}: Recipe): Tuning {
  return {
    part,
    embedding,
    ...(lora && { lora: { ...lora, alpha: lora.alpha ?? 2 * lora.rank } }),
    ...(quantization && { quantization }),
    ...(targetToken?.mean && { languageRow: true }),
    ...(experts && {
      experts: {
        language: experts.languages[0]!,
        gateWidth: experts.gateWidth,
        budgetWeight: 1 - (objective.distillation?.weight ?? 0),
      },
    }),
  };
}

function trainingOptions(
  { data: { corpora, temperature = 1, timestamps = 0, maxPadding }, optimizer }: Recipe,
  tuning: Tuning,
  { examples, vocabulary }: TrainingData,
): TrainingOptions {
  const { steps, accumulate, recompute, learningRate, weightDecay, clipNorm, seed } = optimizer;
  return {
    ...tuning,
    steps,
    batchSize: Math.min(optimizer.batchSize, examples.length),
    accumulate,
    recompute,
    // Or a window of 30 s would make those of a whole batch as long.
    maxPadding: maxPadding ?? (timestamps > 0 ? 0.5 : undefined),
    mixture: { weights: corpora.map(({ weight = 1 }) => weight), temperature },
    learningRate,
    warmupSteps: Math.min(optimizer.warmup, steps),
    weightDecay,
    clipNorm,
    seed,
    vocabulary,
  };
}
