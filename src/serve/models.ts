/** Served models by the names that clients use. */
import { ApiError } from './api-error.ts';
import type { ServedModel } from './engine.ts';

/** The name that many clients have written into them: the default model, which is the first. */
export const ALIAS = 'whisper-1';

/**
 * @param id of a request; undefined: the default model
 * @throws ApiError of 404 with the ids that are served
 */
export function servedModel(models: readonly ServedModel[], id: string | undefined): ServedModel {
  const found = models.find((model) => model.id === id);
  if (found) return found;
  if (id === undefined || id === ALIAS) return models[0]!;
  const served = [...models.map((model) => model.id), ALIAS].join(', ');
  throw new ApiError(404, `model: found ${JSON.stringify(id.slice(0, 100))}; expected any of ${served}`, {
    param: 'model',
    code: 'model_not_found',
  });
}

/** A model as OpenAI's list has it, and what a page wants to know of it. */
export const modelObject = (
  { created, languages, target, englishFirst, id: own }: ServedModel,
  id = own,
): object => ({
  id,
  object: 'model',
  created,
  owned_by: 'whisper-transfer',
  ...(id !== own && { root: own }),
  languages,
  target,
  english_first: englishFirst,
});
