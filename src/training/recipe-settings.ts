/** What of a recipe must agree when a run goes on from its checkpoints, and the recipe that is kept with the model. */
import { isAbsolute, relative, resolve } from 'node:path';
import type { RunSettings } from './checkpoints.ts';
import type { Recipe } from './recipe.ts';
import { isPath, leaves, mapPaths, nodeAt } from './recipe-keys.ts';

/** What the weights do not depend on. */
const WITHOUT_INFLUENCE = ['dtype', 'checkpointEvery'];

/**
 * All values of a recipe that the weights depend on, by path. Where files and folders lie does not count; what is in them
 * must be told beside these settings.
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

/** A recipe as it stands in its output folder: with all defaults, and with relative paths from there. */
export function recipeText(recipe: Recipe): string {
  const folder = resolve(recipe.output);
  const kept = mapPaths(recipe, (path) =>
    isAbsolute(path) ? path : relative(folder, resolve(path)).replaceAll('\\', '/'),
  );
  return `${JSON.stringify({ ...(kept as Recipe), output: '.' }, null, 2)}\n`;
}
