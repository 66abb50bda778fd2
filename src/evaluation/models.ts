/** The models of an evaluation: their names, fingerprints and prompts. */
import { basename, join, resolve } from 'node:path';
import { readJsonIfPresent } from '../checkpoint/directory.ts';
import { modelFingerprint } from '../checkpoint/model-fingerprint.ts';
import { type Clip, unnamedTarget, writtenLanguages } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { modelName } from '../hub/names.ts';
import { isTrainedFor, type PromptKind, type TrainedPrompt, trainedPrompt } from '../whisper/prompts.ts';

export interface ModelFolder {
  readonly name: string;
  readonly directory: string;
  /** Hash of the files that determine the model's output. */
  readonly fingerprint: string;
  readonly trained: TrainedPrompt | undefined;
}

/** Checks and names model folders. @throws UserError where a folder holds no model, or is given twice */
export async function modelFolders(directories: readonly string[]): Promise<ModelFolder[]> {
  const names = distinctNames(directories);
  const folders: ModelFolder[] = [];
  for (const [i, directory] of directories.entries()) {
    const config = await readJsonIfPresent(join(directory, 'generation_config.json'));
    folders.push({
      name: names[i]!,
      directory,
      fingerprint: await modelFingerprint(directory),
      trained: config && trainedPrompt(config),
    });
  }
  return folders;
}

/** Folder names, with as many parent folders as make them distinct. */
function distinctNames(directories: readonly string[]): string[] {
  const paths = directories.map((directory) => resolve(directory));
  const twice = paths.find((path, i) => paths.indexOf(path) !== i);
  if (twice !== undefined) throw new UserError(`--model ${twice}: given twice; expected each model once`);
  const names = paths.map(modelName);
  return names.map((path) => {
    const parts = path.split(/[\\/]/).filter(Boolean);
    for (let depth = 1; depth < parts.length; depth++) {
      const name = parts.slice(-depth).join('/');
      if (names.filter((other) => other === path || other.endsWith(`/${name}`)).length === 1) return name;
    }
    return basename(path);
  });
}

/**
 * The default target language: the one that the models were trained for or, where they were not, the only one that the
 * clips have translations in.
 * @throws UserError where that is not one language
 */
export async function defaultTarget(
  manifest: string,
  clips: readonly Clip[],
  directories: readonly string[],
): Promise<string> {
  const written = writtenLanguages(clips);
  for (const targets of [await trainedTargets(directories), written])
    if (targets.length === 1) return targets[0]!;
  throw new UserError(unnamedTarget(manifest, clips));
}

/** Target languages that models were trained for, each once. */
export async function trainedTargets(directories: readonly string[]): Promise<string[]> {
  const configs = await Promise.all(
    directories.map((directory) => readJsonIfPresent(join(directory, 'generation_config.json'))),
  );
  return [...new Set(configs.flatMap((config) => (config && trainedPrompt(config)?.target) || []))];
}

/**
 * The default prompts for translation: the one that the model was trained with. A model that was not trained gets those of
 * the others, so that all decode from the same prompt; into English Whisper's own.
 */
export function defaultPrompts(
  { trained }: ModelFolder,
  all: readonly ModelFolder[],
  target: string,
): PromptKind[] {
  if (isTrainedFor(trained, target)) return [trained!.kind];
  if (target === 'en') return ['source-translate'];
  const others = all.flatMap((model) => (isTrainedFor(model.trained, target) ? [model.trained!.kind] : []));
  return others.length > 0 ? [...new Set(others)] : ['target-transcribe'];
}
