/** Writes Hugging Face model directories as a whole: the files beside the weights, and atomic replacement. */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { UserError } from '../errors.ts';
import { FOLDER_LOCK } from '../files/lock.ts';
import { exists, readJson } from '../files/read.ts';
import { replaceWhole, writeJson, writing } from '../files/write-whole.ts';
import { COPIED_FILES } from '../hub/model-files.ts';
import { type AddedToken, tokensToAdd, withAddedTokens } from './added-tokens.ts';
import { type TensorToWrite, writeWeights } from './safetensors-write.ts';

export type Json = Record<string, unknown>;

/** Files of an older model that do not fit the new one (expert-files.ts). */
export const EXPERTS_FOLDER = 'experts';

/** The model before its training for English first, whose decoder writes the English text (english-half.ts). */
export const ENGLISH_FOLDER = 'english';

/** Configurations are some kB (old preprocessors with their mel filters 0.2 MB), tokenizers 2 to 4 MB. */
const MAX_JSON_BYTES = 64_000_000;

/** @returns undefined where there is no such file */
export async function readJsonIfPresent(file: string): Promise<Json | undefined> {
  if (!(await exists(file))) return undefined;
  const parsed = await readJson(file, 'a configuration (JSON)', MAX_JSON_BYTES);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new UserError(`${file}: expected a JSON object`);
  }
  return parsed as Json;
}

export interface DirectoryContents {
  readonly config: Json;
  readonly generationConfig: Json;
  readonly preprocessorConfig: Json;
  readonly tokenizerFile: string;
  readonly tokenizer: Json;
  /** Directory that the vocabulary, the licence and so on are copied from. */
  readonly companionsFrom: string;
  readonly tensors: readonly TensorToWrite[];
  readonly maxShardBytes: number;
}

/**
 * Writes a model directory completely or not at all: into `<directory>.incomplete`, then renamed. An older model directory of that name is replaced; files in it that are not a model's are kept.
 *
 * @throws UserError when `directory` is something else, or cannot be written
 */
export async function writeCheckpointDirectory(
  directory: string,
  contents: DirectoryContents,
): Promise<void> {
  const target = resolve(directory);
  const exists = await refuseUnlessModel(directory);
  await writing(directory, () =>
    replaceWhole(
      target,
      async (incomplete) => {
        await rm(incomplete, { recursive: true, force: true });
        await mkdir(incomplete, { recursive: true });
        await writeTokenizer(incomplete, contents);
        await writeJson(join(incomplete, 'config.json'), contents.config);
        await writeJson(join(incomplete, 'generation_config.json'), contents.generationConfig);
        await writeJson(join(incomplete, 'preprocessor_config.json'), contents.preprocessorConfig);
        await writeWeights(incomplete, contents.tensors, contents.maxShardBytes);
      },
      exists ? (incomplete) => replace(target, incomplete) : undefined,
    ),
  );
}

/**
 * Checks that writeCheckpointDirectory would replace the directory; call it before long work, too.
 *
 * @returns whether there is an older directory, which may be replaced
 */
export async function refuseUnlessModel(directory: string): Promise<boolean> {
  const found = await stat(directory).catch(() => undefined);
  if (found === undefined) return false;
  if (!found.isDirectory())
    throw new UserError(`${directory}: is a file, expected a directory to write or none`);
  if ((await readdir(directory)).every((name) => name === FOLDER_LOCK)) return true;
  const config = await readJsonIfPresent(join(directory, 'config.json')).catch(() => undefined);
  if (config?.model_type !== 'whisper') {
    throw new UserError(`${directory}: is not empty and holds no Whisper model: not overwritten`);
  }
  return true;
}

async function replace(target: string, incomplete: string): Promise<void> {
  const replaced = `${target}.replaced-${process.pid}`;
  await rename(target, replaced);
  await rename(incomplete, target);
  const fresh = new Set(await readdir(target));
  for (const name of await readdir(replaced)) {
    if (!fresh.has(name) && !isModelFile(name)) await rename(join(replaced, name), join(target, name));
  }
  await rm(replaced, { recursive: true });
}

function isModelFile(name: string): boolean {
  return (
    COPIED_FILES.includes(name) ||
    name === 'processor_config.json' ||
    name === EXPERTS_FOLDER ||
    name === ENGLISH_FOLDER ||
    /^model.*\.safetensors/.test(basename(name))
  );
}

/** Copies the tokenizer's files, with new language tokens added. */
async function writeTokenizer(directory: string, contents: DirectoryContents): Promise<void> {
  const { tokenizerFile, tokenizer, companionsFrom, generationConfig } = contents;
  const added = tokensToAdd(tokenizer, generationConfig);
  const target = join(directory, 'tokenizer.json');
  if (basename(tokenizerFile) === 'tokenizer.json' && added.length === 0)
    await copyText(tokenizerFile, target);
  else await writeJson(target, withAddedTokens('tokenizer.json', tokenizer, added));
  for (const name of COPIED_FILES) {
    const from = join(companionsFrom, name);
    if (await exists(from)) await copyWithTokens(from, join(directory, name), added);
  }
}

async function copyWithTokens(from: string, to: string, added: readonly AddedToken[]): Promise<void> {
  if (added.length === 0 || !to.endsWith('.json')) return copyText(from, to);
  await writeJson(to, withAddedTokens(basename(to), (await readJsonIfPresent(from))!, added));
}

/** Not fs.copyFile: that keeps a source's write protection, and the copy is the user's to edit. */
async function copyText(from: string, to: string): Promise<void> {
  await writeFile(to, await readFile(from));
}
