/** What of a recipe must agree when a run goes on from its checkpoints, and the recipe that is kept with the model. */
import { isAbsolute, relative, resolve } from 'node:path';
import { fingerprintOfPath } from '../files/fingerprint.ts';
import { cannotOpen } from '../files/read.ts';
import type { RunSettings } from './checkpoints.ts';
import type { Recipe } from './recipe.ts';
import { isPath, leaves, mapPaths, nodeAt } from './recipe-keys.ts';

/** What the weights do not depend on. Activations that are made again are the same to the bit. */
const WITHOUT_INFLUENCE = ['dtype', 'checkpointEvery', 'optimizer.recompute'];

/** Files and folders that the weights do not depend on, or that are told more exactly: by the clips and words in use. */
const NOT_FINGERPRINTED = /^(output|model|data\.cache|data\.corpora\.\d+\.manifest|targetVocabulary)$/;

/**
 * All values of a recipe that the weights depend on, by path. Where files and folders lie does not count: what is in them
 * does, see `fileSettings`.
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
 * What is in the files and folders that a recipe names, by its path in the recipe: a teacher, recordings of noise.
 * @throws UserError where one is not there
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

/** Of a file, its bytes; of a folder, names and sizes, and the bytes of a model's files. */
async function fingerprint(path: string, name: string): Promise<string> {
  try {
    return await fingerprintOfPath(path, (file) => /\.(json|safetensors)$/.test(file), 16);
  } catch (error) {
    throw cannotOpen(path, error, `what the recipe has as ${name}`);
  }
}

/** A recipe as it stands in its output folder: with all defaults, and with relative paths from there. */
export function recipeText(recipe: Recipe): string {
  const folder = resolve(recipe.output);
  const kept = mapPaths(recipe, (path) =>
    isAbsolute(path) ? path : relative(folder, resolve(path)).replaceAll('\\', '/'),
  );
  return `${JSON.stringify({ ...(kept as Recipe), output: '.' }, null, 2)}\n`;
}
