/** The folder of a model: one here, or the snapshot of a model of the hub, fetched where it is missing. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { exists } from '../files/read.ts';
import { printable } from '../report/escape.ts';
import type { CachedRepo } from './cache.ts';
import type { DownloadOptions } from './download.ts';
import { fetchFiles, resolveRevision } from './download.ts';
import { COMPANIONS, CONFIG, INDEX, isModelFile, isWeights, WEIGHTS } from './model-files.ts';
import { isHubName, nameOf, parseRepo, type Repo } from './names.ts';
import { filesOf, type HubFile } from './tree.ts';

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
  const { signal, onNote } = options;
  const files = modelFiles(repo, await filesOf(client, repo, commit, signal));
  const fetchThose = (isWanted: (path: string) => boolean, how: ModelFolderOptions): Promise<number> =>
    fetchFiles(
      resolved,
      files.filter(({ path }) => isWanted(path)),
      how,
    );
  await fetchThose((path) => path === CONFIG, { signal });
  await checkWhisper(repo, join(folder, CONFIG));
  if (!files.some(({ path }) => isWeights(path)))
    throw new UserError(
      `${nameOf(repo, revision)}: found no weights in safetensors; expected ${WEIGHTS} or ${INDEX}: ` +
        'transformers converts others (from_pretrained and save_pretrained)',
    );
  await fetchThose((path) => !path.endsWith('.safetensors'), { signal, onNote });
  // Of the folders of a model, which may be as large as its weights.
  await fetchThose((path) => !isWeights(path), options);
  await fetchThose(isWeights, options);
  await noteAbsent(cached, commit, files);
  await cached.writeRef(revision, commit);
  return folder;
}

/** What a Whisper model needs: its weights once, and no copies in other formats or precisions. */
function modelFiles(repo: Repo, files: readonly HubFile[]): HubFile[] {
  const names = new Set(files.map(({ path }) => path));
  const isCopy = (path: string): boolean =>
    names.has(WEIGHTS) && path !== WEIGHTS && (path === INDEX || isWeights(path));
  if (names.has(CONFIG)) return files.filter(({ path }) => isModelFile(path) && !isCopy(path));
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
