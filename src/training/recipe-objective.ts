/** Objective of a recipe: cross-entropy, optionally smoothed, weighted by language, with distillation. */

import type { Clip } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { encodedClips } from '../features/encoded-clips.ts';
import type { WorkOptions } from '../report/progress.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import type { Example } from './batches.ts';
import { distillation } from './distillation.ts';
import { smoothedCrossEntropy } from './label-smoothing.ts';
import { languageWeighted } from './language-weights.ts';
import { crossEntropy, type Objective } from './objective.ts';
import type { Recipe } from './recipe.ts';
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

/** Builds the objective; stores a teacher's weights beside the model's. */
export async function recipeObjective(
  model: WhisperModel,
  recipe: Recipe,
  examples: readonly Example[],
  work: WorkOptions,
): Promise<Objective> {
  const { labelSmoothing = 0, languageWeights } = recipe.objective;
  const objective =
    (await distilled(model, recipe, examples, work)) ??
    (labelSmoothing > 0 ? smoothedCrossEntropy(labelSmoothing) : crossEntropy);
  return languageWeights ? languageWeighted(objective, languageWeights) : objective;
}

async function distilled(
  model: WhisperModel,
  { objective, tune, data, augment }: Recipe,
  examples: readonly Example[],
  work: WorkOptions,
): Promise<Objective | undefined> {
  if (!objective.distillation) return undefined;
  const {
    teacher: directory,
    divergence,
    temperature,
    weight,
    hidden,
    distance = 'mse',
  } = objective.distillation;
  const options = {
    divergence,
    temperature,
    shares: { labels: 1 - weight, teacher: weight },
    hidden: hidden && { matching: hidden, distance },
    labelSmoothing: objective.labelSmoothing,
  };
  const teacher = await withModel(WhisperModel.load(directory), (loaded) =>
    createTeacher(model, loaded, examples, {
      tunesEncoder: tunesEncoder(tune),
      encode: async (clips) => {
        // It would have to encode each example as the student does.
        const changed =
          augment !== undefined
            ? 'augment'
            : data.mergeSeconds !== undefined
              ? 'data.mergeSeconds'
              : undefined;
        if (changed !== undefined) {
          throw new UserError(
            `${changed}: does not go with a teacher that has another encoder than the model (${directory}); expected one of both`,
          );
        }
        return encodedClips(loaded, clips, { ...data, ...work });
      },
    }),
  );
  return distillation(teacher, model.dimensions.width, options);
}
