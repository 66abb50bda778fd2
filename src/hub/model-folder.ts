/** The folder of a model: one here, or the snapshot of a model of the hub, fetched where it is missing. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { exists } from '../files/read.ts';
import type { CachedRepo } from './cache.ts';
import type { DownloadOptions } from './download.ts';
import { fetchFiles, nameOf, resolveRevision } from './download.ts';
import { isHubName, parseRepo, printable, type Repo } from './names.ts';
import { filesOf, type HubFile } from './tree.ts';

const CONFIG = 'config.json';
const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** Files of a model beside its weights. */
const COMPANIONS = [
  CONFIG,
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
  'merges.txt',
  'normalizer.json',
  'added_tokens.json',
  'special_tokens_map.json',
  'target_vocabulary.json',
  'LICENSE',
];

/** Folders that this project's training adds: experts of a language, the model before English first. */
const FOLDERS = /^(experts|english)\//;

/** A snapshot with one of each has all that is needed, as weights are fetched last. */
const NEEDED = [[CONFIG], ['generation_config.json'], ['tokenizer.json', 'vocab.json']];

export type ModelFolderOptions = Pick<DownloadOptions, 'settings' | 'onNote' | 'onProgress' | 'signal'>;

/**
 * The folder of a model: the path itself, unless it names a model of the hub ("owner/name", "owner/name@revision") and there is no
 * such folder. Only what a Whisper model needs is fetched, and nothing but its config.json where it is none.
 * @throws UserError where the hub has no such Whisper model with weights in safetensors, or cannot be reached
 */
export async function modelFolder(model: string, options: ModelFolderOptions = {}): Promise<string> {
  if (!isHubName(model)) return model;
  const { repo, revision: asked } = parseRepo(model, 'model');
  const resolved = await resolveRevision(repo, { ...options, revision: asked }).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${error.message} (${model}: no such folder here, either)`, { cause: error });
  });
  const { client, cached, commit, revision, online } = resolved;
  const folder = cached.snapshot(commit);
  if (await isWhole(cached, commit)) {
    if (online) await cached.writeRef(revision, commit);
    return folder;
  }
  if (!online)
    throw new UserError(
      `${nameOf(repo, revision)}: found only a part of the model in the cache (${folder}), and the hub is not asked; expected all of it`,
    );
  const files = modelFiles(repo, await filesOf(client, repo, commit, options.signal));
  const weights = files.filter(({ path }) => path.endsWith('.safetensors') && !FOLDERS.test(path));
  const others = files.filter((file) => !weights.includes(file));
  await fetchFiles(
    client,
    cached,
    commit,
    others.filter(({ path }) => path === CONFIG),
    { signal: options.signal },
  );
  await checkWhisper(repo, join(folder, CONFIG));
  if (weights.length === 0)
    throw new UserError(
      `${nameOf(repo, revision)}: found no weights in safetensors; expected ${WEIGHTS} or ${INDEX}: ` +
        'transformers converts others (from_pretrained and save_pretrained)',
    );
  await fetchFiles(client, cached, commit, others, { signal: options.signal, onNote: options.onNote });
  await fetchFiles(client, cached, commit, weights, options);
  await noteAbsent(cached, commit, files);
  await cached.writeRef(revision, commit);
  return folder;
}

/** Whether a file in a folder is a part of a model that training wrote: what `hub push` uploads. */
export const isModelFile = (path: string): boolean =>
  COMPANIONS.includes(path) ||
  path === INDEX ||
  /^model(-\d+-of-\d+)?\.safetensors$/.test(path) ||
  (FOLDERS.test(path) && /(\.(json|txt|safetensors)|\/LICENSE)$/.test(path));

/** What a Whisper model needs: its weights once, and no copies in other formats or precisions. */
function modelFiles(repo: Repo, files: readonly HubFile[]): HubFile[] {
  const names = new Set(files.map(({ path }) => path));
  const isWeight = names.has(WEIGHTS)
    ? (path: string): boolean => path === WEIGHTS
    : (path: string): boolean => /^model-\d+-of-\d+\.safetensors$/.test(path);
  const wanted = files.filter(
    ({ path }) =>
      COMPANIONS.includes(path) ||
      isWeight(path) ||
      (path === INDEX && !names.has(WEIGHTS)) ||
      (FOLDERS.test(path) && /\.(json|txt|safetensors)$/.test(path)),
  );
  if (names.has(CONFIG)) return wanted;
  const adapter = names.has('adapter_config.json') ? ' (it has adapter_config.json, of a PEFT adapter)' : '';
  throw new UserError(
    `${repo.id}: found no ${CONFIG}${adapter}; expected a Whisper model in the layout of transformers`,
  );
}

async function checkWhisper(repo: Repo, file: string): Promise<void> {
  let type: unknown;
  try {
    type = (JSON.parse(await readFile(file, 'utf8')) as { model_type?: unknown } | null)?.model_type;
  } catch {
    throw new UserError(
      `${repo.id}: ${CONFIG}: found no JSON; expected the configuration of a Whisper model`,
    );
  }
  if (type !== 'whisper')
    throw new UserError(
      `${repo.id}: found the model_type ${printable(JSON.stringify(type) ?? 'nothing')} in its ${CONFIG}; expected "whisper": no more of it was fetched`,
    );
}

/** Whether a snapshot has a model's files, with all its weights. */
async function isWhole(cached: CachedRepo, commit: string): Promise<boolean> {
  const folder = cached.snapshot(commit);
  for (const names of NEEDED) {
    const found = await Promise.all(
      names.map(async (name) => (await exists(join(folder, name))) || cached.isAbsent(commit, name)),
    );
    if (!found.includes(true)) return false;
  }
  if (await exists(join(folder, WEIGHTS))) return true;
  try {
    const { weight_map: map } = JSON.parse(await readFile(join(folder, INDEX), 'utf8')) as {
      weight_map: Record<string, string>;
    };
    const shards = new Set(Object.values(map));
    for (const name of shards) if (!(await exists(join(folder, name)))) return false;
    return shards.size > 0;
  } catch {
    return false;
  }
}

/** Python's libraries look for some files that few models have; offline they need not ask. */
async function noteAbsent(cached: CachedRepo, commit: string, files: readonly HubFile[]): Promise<void> {
  const names = new Set(files.map(({ path }) => path));
  for (const name of COMPANIONS) if (!names.has(name)) await cached.writeAbsent(commit, name);
}
