/** Models that are served: what they are by the settings in their folders, without their weights. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { dimensionsFromConfig, whisperTensors } from '../checkpoint/checkpoint.ts';
import { readJsonIfPresent } from '../checkpoint/directory.ts';
import { UserError } from '../errors.ts';
import { trainedPrompt } from '../whisper/prompts.ts';
import type { ServedModel } from './engine.ts';
import type { ModelInMemory } from './engine-messages.ts';

/** Float32 weights, those packed for fast products, and what runs work in: Whisper base was measured at 15. */
const BYTES_PER_PARAMETER = 16;

export type FoundModel = ServedModel & ModelInMemory;

/**
 * @param folders model directories by the names that requests use
 * @throws UserError where one holds no Whisper
 */
export async function findModels(folders: ReadonlyMap<string, string>): Promise<FoundModel[]> {
  const found: FoundModel[] = [];
  for (const [id, folder] of folders) found.push(await findModel(id, resolve(folder)));
  return found;
}

async function findModel(id: string, directory: string): Promise<FoundModel> {
  const config = await readJsonIfPresent(join(directory, 'config.json'));
  if (!config)
    throw new UserError(`${directory}: found no config.json in it; expected the directory of a Whisper`);
  const dimensions = dimensionsFromConfig(config, join(directory, 'config.json'));
  const generation = (await readJsonIfPresent(join(directory, 'generation_config.json'))) ?? {};
  const trained = trainedPrompt(generation);
  const parameters = [...whisperTensors(dimensions).values()].reduce(
    (sum, shape) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  const englishFirst = trained?.kind === 'english-first';
  return {
    id,
    directory,
    created: Math.floor((await stat(join(directory, 'config.json'))).mtimeMs / 1000),
    languages: Object.keys((generation.lang_to_id ?? {}) as object).map((token) => token.slice(2, -2)),
    target: trained?.target ?? 'en',
    englishFirst,
    // English first has the model before its training beside it.
    bytes: (englishFirst ? 2 : 1) * BYTES_PER_PARAMETER * parameters,
  };
}
