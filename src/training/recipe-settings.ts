/** Settings of a recipe that must be equal to resume from a checkpoint, and the recipe that is saved with the model. */
import { isAbsolute, relative, resolve } from 'node:path';
import { fingerprintOfPath } from '../files/fingerprint.ts';
import { cannotOpen } from '../files/read.ts';
import { modelName } from '../hub/names.ts';
import type { RunSettings } from './checkpoints.ts';
import type { Recipe } from './recipe.ts';
import { isPath, leaves, mapPaths, nodeAt } from './recipe-keys.ts';

/**
 * Keys that do not affect the weights. Recomputed activations are identical to the bit. Another device rounds otherwise, but a
 * run may go on there.
 */
const WITHOUT_INFLUENCE = ['dtype', 'checkpointEvery', 'device', 'optimizer.recompute', 'data.cacheLimit'];

/** Files and folders that do not affect the weights, or whose clips and words in use have fingerprints of their own. */
const NOT_FINGERPRINTED =
  /^(output|model|data\.cache|data\.corpora\.\d+\.(manifest|dataset|clips|sentences)|targetVocabulary)$/;

/**
 * All values of a recipe that affect the weights, by path. Paths of files and folders do not count, but their content:
 * see `fileSettings`.
 */
export function weightSettings(recipe: Recipe): RunSettings {
  const counted = [...leaves(recipe)].filter(
    ({ path, value }) =>
      value !== undefined &&
      !(typeof value === 'string' && isPath(nodeAt(path))) &&
      !WITHOUT_INFLUENCE.includes(path.join('.')),
  );
  return Object.fromEntries(
    counted.map(({ path, value }) => [path.join('.'), value as string | number | boolean]),
  );
}

/**
 * Fingerprints of the files and folders that a recipe names, by path in the recipe: a teacher, recordings of noise.
 * @throws UserError where one is missing
 */
export async function fileSettings(recipe: Recipe): Promise<RunSettings> {
  const settings: Record<string, string> = {};
  for (const { path, value } of leaves(recipe)) {
    const name = path.join('.');
    if (typeof value !== 'string' || !isPath(nodeAt(path)) || NOT_FINGERPRINTED.test(name)) continue;
    settings[name] = await fingerprint(value, name);
  }
  return settings;
}

/** Fingerprint of the bytes of a file; of a folder, of names and sizes, and of the bytes of a model's files. */
async function fingerprint(path: string, name: string): Promise<string> {
  try {
    return await fingerprintOfPath(path, (file) => /\.(json|safetensors)$/.test(file), 16);
  } catch (error) {
    throw cannotOpen(path, error, `what the recipe has as ${name}`);
  }
}

/**
 * Text of recipe.json in the output folder: with all defaults, and paths relative to the folder. A model or a data set of the hub is
 * named with its commit; a data set stands in place of the manifest that was made of it.
 */
export function recipeText(recipe: Recipe): string {
  const folder = resolve(recipe.output);
  const corpora = recipe.data.corpora.map(({ manifest, ...corpus }) =>
    corpus.dataset === undefined ? { manifest, ...corpus } : corpus,
  );
  const kept = mapPaths({ ...recipe, data: { ...recipe.data, corpora } }, (path) => {
    const name = modelName(path);
    return isAbsolute(path) || name !== path ? name : relative(folder, resolve(path)).replaceAll('\\', '/');
  });
  return `${JSON.stringify({ ...(kept as Recipe), output: '.' }, null, 2)}\n`;
}
