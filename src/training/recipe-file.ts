/** Reads recipes: files that extend others, flags that override them, and one line for each mistake. */
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { readJson } from '../files/read.ts';
import { editDistance } from '../language/edit-distance.ts';
import { isObject, withCurrentNames } from './former-names.ts';
import { type Recipe, recipeSchema } from './recipe.ts';
import { allowed, mapPaths, nodeAt, type Path } from './recipe-keys.ts';

/** Values of one source; later layers override earlier ones. */
export interface Layer {
  readonly values: unknown;
  /** Name of the value at a path in messages: a file and the path, or a flag; undefined where it has none. */
  readonly label: (path: Path) => string | undefined;
}

/**
 * The layers of a recipe's file, those it extends first. Its paths are made relative to the working directory.
 * @throws UserError where a file cannot be read, is no JSON object, or extends itself
 */
export async function readLayers(file: string, within: readonly string[] = []): Promise<Layer[]> {
  if (within.some((other) => resolve(other) === resolve(file))) {
    throw new UserError(
      `${within[0]}: extends ${[...within.slice(1), file].join(', which extends ')}: a circle; expected an end`,
    );
  }
  const { extends: base, $schema: _, ...written } = await readObject(file);
  const values = withCurrentNames(written);
  const local = (path: string): string => (isAbsolute(path) ? path : join(dirname(file), path));
  if (base !== undefined && typeof base !== 'string') {
    throw new UserError(`${file}: extends: found ${excerpt(base)}; expected the path of a recipe`);
  }
  return [
    ...(base === undefined ? [] : await readLayers(local(base), [...within, file])),
    { values: mapPaths(values, local), label: (path) => `${file}: ${path.join('.')}` },
  ];
}

/** JSON Merge Patch (RFC 7396): objects are merged, null removes, all else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

export const mergeLayers = (layers: readonly Layer[]): unknown =>
  layers.reduce((values: unknown, layer) => mergePatch(values, layer.values), {});

/**
 * Merges layers into a recipe.
 * @throws UserError with one line for each mistake
 */
export function parseRecipe(layers: readonly Layer[]): Recipe {
  const values = mergeLayers(layers);
  const { data, error } = recipeSchema.safeParse(values);
  const label = labelIn(layers);
  if (error) {
    const lines = error.issues.flatMap((issue): string[] => {
      const path = issue.path as Path;
      if (issue.code === 'unrecognized_keys') {
        return issue.keys.map((key) => unknownKey(label([...path, key]), key, path));
      }
      if (issue.code === 'custom') return [`${label(path)}: ${issue.message}`];
      const found = valueAt(values, path);
      return [
        `${label(path)}: found ${found === undefined ? 'nothing' : excerpt(found)}; ` +
          `expected ${allowed(nodeAt(path)!)}`,
      ];
    });
    throw new UserError(lines.join('\n'));
  }
  return data;
}

/** The name of a value is that of the layer it comes from; of a missing one, that of the last layer that has a name. */
function labelIn(layers: readonly Layer[]): (path: Path) => string {
  return (path) => {
    const from = layers.findLast(({ values }) => valueAt(values, path) !== undefined);
    return from?.label(path) ?? layers.findLast(({ label }) => label(path) !== undefined)!.label(path)!;
  };
}

function unknownKey(label: string, key: string, above: Path): string {
  const keys = Object.keys(nodeAt(above)?.properties ?? {});
  const near = keys.filter((other) => editDistance(key.toLowerCase(), other.toLowerCase()) <= 2);
  const meant = near.length > 0 ? `; did you mean "${near[0]}"?` : '';
  return `${label}: unknown key; expected one of ${keys.join(', ')}${meant}`;
}

async function readObject(file: string): Promise<Record<string, unknown>> {
  const json = await readJson(file, 'a recipe (JSON)');
  if (!isObject(json))
    throw new UserError(`${file}: found ${excerpt(json)}; expected a JSON object, a recipe`);
  return json;
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce(
    (at: unknown, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key)
        ? (at as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}

function excerpt(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
