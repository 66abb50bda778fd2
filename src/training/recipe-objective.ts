/** Objective of a recipe: cross-entropy, optionally smoothed, weighted by language, with distillation. */

import type { Clip } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { EncoderOutputs } from '../features/encoder-outputs.ts';
import type { WorkOptions } from '../report/progress.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { Example } from './batches.ts';
import { distillation } from './distillation.ts';
import { smoothedCrossEntropy } from './label-smoothing.ts';
import { languageWeighted } from './language-weights.ts';
import { crossEntropy, type Objective } from './objective.ts';
import type { Recipe } from './recipe.ts';
import { cacheOf } from './recipe-cache.ts';
import { checkTeacher, createTeacher } from './teacher.ts';
import { tunesEncoder } from './tuned-weights.ts';

/**
 * Checks the objective before long work begins.
 * @throws UserError where a teacher does not fit the model, or a weight is for a language without clips
 */
export async function checkObjective(
  model: WhisperModel,
  { objective }: Recipe,
  clips: readonly Clip[],
): Promise<void> {
  if (objective.distillation) await checkTeacher(model, objective.distillation.teacher);
  const languages = new Set(clips.map(({ language }) => language));
  const unknown = Object.keys(objective.languageWeights ?? {}).find((language) => !languages.has(language));
  if (unknown !== undefined) {
    throw new UserError(
      `objective.languageWeights: "${unknown}" has no clip to train on; expected some of ${[...languages].sort().join(', ')}`,
    );
  }
}

export interface RecipeObjective {
  readonly objective: Objective;
  /** Closes a teacher whose encoder is used while training. */
  readonly close: () => Promise<void>;
}

/** Builds the objective; stores a teacher's weights beside the model's. */
export async function recipeObjective(
  model: WhisperModel,
  recipe: Recipe,
  examples: readonly Example[],
  work: WorkOptions,
): Promise<RecipeObjective> {
  const { labelSmoothing = 0, languageWeights } = recipe.objective;
  const { objective, close } = (await distilled(model, recipe, examples, work)) ?? {
    objective: labelSmoothing > 0 ? smoothedCrossEntropy(labelSmoothing) : crossEntropy,
    close: async () => {},
  };
  return { objective: languageWeights ? languageWeighted(objective, languageWeights) : objective, close };
}

async function distilled(
  model: WhisperModel,
  recipe: Recipe,
  examples: readonly Example[],
  { onNote }: WorkOptions,
): Promise<RecipeObjective | undefined> {
  const { objective, tune, data } = recipe;
  if (!objective.distillation) return undefined;
  const { divergence, temperature, weight, hidden, distance = 'mse' } = objective.distillation;
  const teacherModel = await WhisperModel.load(objective.distillation.teacher, {
    threads: model.runtime.threads,
    device: model.runtime.device,
  });
  try {
    let outputs: Promise<EncoderOutputs> | undefined;
    const open = () => EncoderOutputs.open(teacherModel, { ...cacheOf(data), window: data.window, onNote });
    const teacher = await createTeacher(model, teacherModel, examples, {
      tunesEncoder: tunesEncoder(tune),
      encode: async ({ audio }) => {
        outputs ??= open();
        return (await outputs).lazy({ files: [audio] }, 0).read();
      },
    });
    if (teacher.encoderFeeds) refuseChanged(recipe);
    else await teacherModel.close();
    return {
      objective: distillation(teacher, model.dimensions.width, {
        divergence,
        temperature,
        shares: { labels: 1 - weight, teacher: weight },
        hidden: hidden && { matching: hidden, distance },
        labelSmoothing: objective.labelSmoothing,
      }),
      close: () => teacherModel.close(),
    };
  } catch (error) {
    await teacherModel.close();
    throw error;
  }
}

/** A teacher with another encoder would have to encode each example as the student does. */
function refuseChanged({ augment, data, objective }: Recipe): void {
  const changed =
    augment !== undefined ? 'augment' : data.mergeSeconds !== undefined ? 'data.mergeSeconds' : undefined;
  if (changed === undefined) return;
  throw new UserError(
    `${changed}: does not go with a teacher that has another encoder than the model ` +
      `(${objective.distillation!.teacher}); expected one of both`,
  );
}
