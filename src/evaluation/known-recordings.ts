/** Recordings that are evaluated and stand in other sets, or that a model was trained on: by their content. */
import { join } from 'node:path';
import { embeddedModel } from '../checkpoint/embedded.ts';
import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { sameRecordings } from '../data/repeated-clips.ts';
import { UserError } from '../errors.ts';
import { clipsOf } from '../features/encoded-clips.ts';
import { exists } from '../files/read.ts';
import { sameContent } from '../files/same-content.ts';
import type { WorkOptions } from '../report/progress.ts';
import { manifestThere } from '../training/recipe-datasets.ts';
import { readRecipe } from '../training/recipe-source.ts';

/**
 * Notes for the user, a line each. What has one path in several sets of a manifest is not among them (`repeatedClips`).
 * @param all clips of the manifest
 * @param own those that are evaluated
 */
export async function knownRecordings(
  all: readonly Clip[],
  own: readonly Clip[],
  {
    models = [embeddedModel],
    onProgress,
    signal,
  }: WorkOptions & { readonly models?: readonly string[] | undefined },
): Promise<string[]> {
  const files = own.map(({ audio }) => audio);
  const compare = async (what: string, others: readonly string[]): Promise<string[]> => {
    if (others.length === 0) return [];
    const pairs = await sameContent(files, others, {
      onProgress: (done, total) => onProgress?.({ stage: 'comparing recordings', done, total }),
      signal,
    });
    return [sameRecordings('to evaluate', what, pairs)].filter((note) => note !== undefined);
  };
  const sets = new Set(own.map(({ set }) => set));
  const paths = new Set(files);
  const others = all.filter(({ set, audio }) => !sets.has(set) && !paths.has(audio));
  const notes = await compare(
    'of other sets',
    others.map(({ audio }) => audio),
  );
  for (const model of models) {
    for (const note of await compare(`that ${model} was trained on`, await trainingFiles(model)))
      notes.push(note);
  }
  return notes;
}

/** What a model was trained on, as far as the recipe that `train` wrote beside it, and its manifests, are still there. */
async function trainingFiles(model: string): Promise<string[]> {
  const path = join(model, 'recipe.json');
  if (!(await exists(path))) return [];
  try {
    const recipe = await readRecipe(path);
    const { data, dev } = recipe;
    const files: string[] = [];
    for (const corpus of data.corpora) {
      const manifest = await manifestThere(recipe, corpus);
      if (manifest === undefined) continue;
      for (const { audio, set } of clipsOf(await readManifest(manifest), manifest, corpus)) {
        if (set !== dev?.set) files.push(audio);
      }
    }
    return files;
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}
