/** What a recipe names of the hub, at the commits that a run began with; and the manifests of its data sets. */
import { join } from 'node:path';
import { readJsonIfPresent } from '../checkpoint/directory.ts';
import { type DatasetOptions, datasetFolder, prepareDataset, preparedManifest } from '../corpora/dataset.ts';
import { isCommit, isHubName, parseRepo } from '../hub/names.ts';
import type { WorkOptions } from '../report/progress.ts';
import { DATASET_KEYS, type Recipe, type RecipeCorpus } from './recipe.ts';
import { cacheOf } from './recipe-cache.ts';
import { valueAt } from './recipe-file.ts';
import { isName, mapLeaves, nodeAt } from './recipe-keys.ts';

/**
 * The recipe with the commits that recipe.json in its output has: a run goes on with what it began with, also where a branch has
 * moved.
 */
export async function asBegun(recipe: Recipe, { onNote }: WorkOptions): Promise<Recipe> {
  const begun = await readJsonIfPresent(join(recipe.output, 'recipe.json'));
  if (!begun) return recipe;
  return mapLeaves(recipe, (value, path) => {
    const before = valueAt(begun, path);
    const node = nodeAt(path);
    if (typeof value !== 'string' || typeof before !== 'string') return value;
    if (!isName(node, value) || !isHubName(before)) return value;
    const type = node?.format === 'model' ? 'model' : 'dataset';
    const [asked, found] = [parseRepo(value, type), parseRepo(before, type)];
    if (asked.repo.id !== found.repo.id || !isCommit(found.revision ?? '') || isCommit(asked.revision ?? ''))
      return value;
    onNote?.(`${value}: commit ${found.revision!.slice(0, 7)}, with which the run began`);
    return before;
  });
}

/** The recipe with the manifests of its data sets, which are fetched and prepared where they are missing. */
export async function withManifests(recipe: Recipe, work: WorkOptions): Promise<Recipe> {
  const corpora: RecipeCorpus[] = [];
  for (const corpus of recipe.data.corpora) {
    const { dataset } = corpus;
    if (dataset === undefined) corpora.push(corpus);
    else {
      const folder = datasetFolder(cacheOf(recipe.data).cache);
      const { manifest, name } = await prepareDataset(dataset, readingOf(recipe, corpus), {
        ...work,
        folder,
      });
      corpora.push({ ...corpus, dataset: name, manifest });
    }
  }
  return { ...recipe, data: { ...recipe.data, corpora } };
}

/** The manifest of a corpus; undefined where that of a data set is not there. */
export async function manifestThere(recipe: Recipe, corpus: RecipeCorpus): Promise<string | undefined> {
  const { manifest, dataset } = corpus;
  if (dataset === undefined) return manifest;
  return preparedManifest(dataset, readingOf(recipe, corpus), datasetFolder(cacheOf(recipe.data).cache));
}

/** How a data set is read for a recipe: only its languages, and of the sets that which is trained on, and the dev set. */
function readingOf({ dev, target, prompt }: Recipe, corpus: RecipeCorpus): DatasetOptions {
  const { language, set = 'train' } = corpus;
  const written = [corpus.target ?? target!, ...(prompt === 'english-first' ? ['en'] : [])];
  return {
    ...(Object.fromEntries(DATASET_KEYS.map((key) => [key, corpus[key]])) as DatasetOptions),
    from: language === undefined ? undefined : [...new Set([language, ...(dev?.languages ?? [])])],
    to: [...new Set(written)],
    sets: dev ? [set, dev.set] : [set],
  };
}
