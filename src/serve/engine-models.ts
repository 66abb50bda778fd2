/** Models that are served: what they are by the settings in their folders, without their weights. */
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { dimensionsFromConfig, whisperTensors } from '../checkpoint/checkpoint.ts';
import { readJsonIfPresent } from '../checkpoint/directory.ts';
import { UserError } from '../errors.ts';
import { trainedPrompt } from '../whisper/prompts.ts';
import type { ServedModel } from './engine.ts';
import type { ModelInMemory } from './engine-messages.ts';

/** Float32 weights, and as much again packed for fast products and to work in. */
const BYTES_PER_PARAMETER = 8;

export type FoundModel = ServedModel & ModelInMemory;

/**
 * @param choices folders, or `NAME=FOLDER`; else the folder's name is the model's
 * @throws UserError where a folder holds no Whisper, or two have the same name
 */
export async function findModels(choices: readonly string[]): Promise<FoundModel[]> {
  const found: FoundModel[] = [];
  for (const choice of choices) {
    const model = await findModel(choice);
    const other = found.find(({ id }) => id === model.id);
    if (other)
      throw new UserError(
        `--model: found "${model.id}" twice (${other.directory}, ${model.directory}); expected names: --model NAME=FOLDER`,
      );
    found.push(model);
  }
  return found;
}

async function findModel(choice: string): Promise<FoundModel> {
  const [, name, folder = choice] = /^([\w.:/-]+)=(.+)$/s.exec(choice) ?? [];
  const directory = resolve(folder);
  const config = await readJsonIfPresent(join(directory, 'config.json'));
  if (!config)
    throw new UserError(`--model ${choice}: found no config.json in it; expected the folder of a Whisper`);
  const dimensions = dimensionsFromConfig(config, join(directory, 'config.json'));
  const generation = (await readJsonIfPresent(join(directory, 'generation_config.json'))) ?? {};
  const trained = trainedPrompt(generation);
  const parameters = [...whisperTensors(dimensions).values()].reduce(
    (sum, shape) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  const englishFirst = trained?.kind === 'english-first';
  return {
    id: name ?? basename(directory),
    directory,
    created: Math.floor((await stat(join(directory, 'config.json'))).mtimeMs / 1000),
    languages: Object.keys((generation.lang_to_id ?? {}) as object).map((token) => token.slice(2, -2)),
    target: trained?.target ?? 'en',
    englishFirst,
    // English first has the model before its training beside it.
    bytes: (englishFirst ? 2 : 1) * BYTES_PER_PARAMETER * parameters,
  };
}
