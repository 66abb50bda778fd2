/** Sources of recipes: a file, an object like its JSON, or a short form: a manifest and values that differ from the defaults. */
import type { z } from 'zod';
import { isDataset } from '../corpora/dataset.ts';
import type { Recipe, recipeSchema } from './recipe.ts';
import { type Layer, parseRecipe, readLayers } from './recipe-file.ts';
import type { Path } from './recipe-keys.ts';

/** The keys and values of a recipe's JSON. Paths are relative to the working directory. */
export type RecipeInput = z.input<typeof recipeSchema>;

/** Short form for one manifest, with the most frequent keys; others are those of a recipe. */
export interface ShortRecipe extends Partial<Omit<RecipeInput, 'data' | 'target'>> {
  /** Path of the manifest; or a data set, of the hub (google/fleurs) or a folder, archive or table that `prepare` knows. */
  readonly data: string;
  /** Use only clips of this set. Default: all but the dev set; of a data set `train`. */
  readonly set?: string | undefined;
  /** Use only clips in this language. */
  readonly from?: string | undefined;
  /** Language to translate into. */
  readonly to?: string | undefined;
  /** Number of optimizer steps. Default 200. */
  readonly steps?: number | undefined;
  /** Folder for the trained model. */
  readonly output: string;
}

/** Path of a recipe (.json) or of a manifest, a data set, or a recipe as an object. */
export type RecipeSource = string | RecipeInput | ShortRecipe;

/** @throws UserError with one line for each mistake */
export async function readRecipe(source: RecipeSource): Promise<Recipe> {
  return parseRecipe(await recipeLayers(source));
}

/** @param label name in messages of a value that no file has */
export async function recipeLayers(
  source: RecipeSource,
  label: (path: Path) => string = (path) => path.join('.'),
): Promise<Layer[]> {
  if (typeof source === 'string') {
    return source.endsWith('.json')
      ? readLayers(source)
      : [{ values: { data: { corpora: [corpusOf(source)] } }, label }];
  }
  return isShort(source) ? [shortLayer(source)] : [{ values: source, label }];
}

/** The corpus that a path or a name stands for. */
const corpusOf = (source: string): { manifest: string } | { dataset: string } =>
  isDataset(source) ? { dataset: source } : { manifest: source };

const isShort = (source: RecipeInput | ShortRecipe): source is ShortRecipe => typeof source.data === 'string';

/** Keys of the short form, by path in a recipe. */
const SHORT_KEYS: Readonly<Record<string, string>> = {
  'data.corpora.0.manifest': 'data',
  'data.corpora.0.dataset': 'data',
  'data.corpora.0.set': 'set',
  'data.corpora.0.language': 'from',
  target: 'to',
  'optimizer.steps': 'steps',
};

function shortLayer({ data, set, from, to, steps, ...recipe }: ShortRecipe): Layer {
  const corpus = { ...corpusOf(data), ...(set && { set }), ...(from && { language: from }) };
  return {
    values: {
      ...recipe,
      data: { corpora: [corpus] },
      ...(to !== undefined && { target: to }),
      ...(steps !== undefined && { optimizer: { ...recipe.optimizer, steps } }),
    },
    label: (path) => SHORT_KEYS[path.join('.')] ?? path.join('.'),
  };
}
