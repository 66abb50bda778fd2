/** Reads a language model of any kind. */
import type { Runtime } from '../backend/runtime.ts';
import { namesIn } from '../files/read.ts';
import { readArpa } from './arpa-read.ts';
import { CausalLanguageModel } from './causal.ts';
import type { AnyLanguageModel } from './scorer.ts';

/** Models of folders, by the thread that they compute in and end with. */
const loaded = new WeakMap<Runtime, Map<string, Promise<CausalLanguageModel>>>();

/**
 * @param path an ARPA file, or the folder of a causal language model, which is loaded once for each runtime
 * @throws UserError where it is neither
 */
export async function readLanguageModel(path: string, runtime: Runtime): Promise<AnyLanguageModel> {
  if (!(await isModelFolder(path))) return readArpa(path);
  const models = loaded.get(runtime) ?? new Map<string, Promise<CausalLanguageModel>>();
  loaded.set(runtime, models);
  const known = models.get(path);
  if (known) return known;
  const model = CausalLanguageModel.load(path, runtime);
  models.set(path, model);
  model.catch(() => models.delete(path));
  return model;
}

/** Whether a path is a folder with something in it. */
export const isModelFolder = async (path: string): Promise<boolean> => (await namesIn(path)).length > 0;
