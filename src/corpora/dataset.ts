/** Data sets as they are named by users: one of the Hugging Face hub, or a corpus here; and their manifests. */
import { basename, join, resolve } from 'node:path';
import { manifestFormat } from '../data/manifest-rows.ts';
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { exists } from '../files/read.ts';
import { CachedRepo } from '../hub/cache.ts';
import { download } from '../hub/download.ts';
import { isCommit, isHubName, nameOf, parseRepo } from '../hub/names.ts';
import { cacheFolder } from '../hub/settings.ts';
import { packageVersion } from '../report/package-version.ts';
import type { WorkOptions } from '../report/progress.ts';
import { CORPORA, corpusNamed, recogniseCorpus } from './corpora.ts';
import { type Corpus, type CorpusOptions, isThere, type OwnOption } from './corpus.ts';
import { expandPattern, hasPattern } from './patterns.ts';
import { describePrepared, type PrepareOptions, prepareCorpus } from './prepare.ts';

export interface DatasetOptions extends PrepareOptions {
  /** Name of the corpus whose layout it has. Default: its files, or its name on the hub, say it. */
  readonly layout?: string | undefined;
}

export interface PreparedDataset {
  readonly manifest: string;
  /** The data set's name: of the hub with its commit, so that it is always the same. */
  readonly name: string;
}

/** Where manifests of data sets are kept: in a cache, also where a user has none for other things. */
export const datasetFolder = (cache = join('out', 'cache')): string => join(cache, 'datasets');

/** The options that only some corpora have, as the command line has them. */
const FLAGS: Readonly<Record<OwnOption, string>> = {
  clips: '--clips',
  sentences: '--sentences',
  onePerSentence: '--one-per-sentence',
  columns: '--columns',
};
/** Of archives and tables that no manifest has. */
const ENDINGS = /\.(?:tar|tar\.gz|tgz|parquet)$/i;

/** Whether a path that may be a manifest's, or a name, is a data set's: of the hub, a folder, an archive, a Parquet table. */
export const isDataset = (source: string): boolean =>
  manifestFormat(source) === undefined &&
  (ENDINGS.test(source) || isHubName(source) || hasPattern(source) || isThere(`${source}/`));

/**
 * The corpus that a source is: by the name of its layout, by that of the hub, or by its files.
 * @throws UserError where it is none that is known
 */
export async function corpusOf(source: string, layout?: string): Promise<Corpus> {
  const names = CORPORA.map(({ name }) => name).join(', ');
  const named = layout === undefined ? undefined : corpusNamed(layout);
  if (layout !== undefined && !named)
    throw new UserError(`--layout: found "${layout}"; expected one of ${names}`);
  if (isHubName(source)) {
    const { repo } = parseRepo(source, 'dataset');
    return named ?? CORPORA.find(({ hub }) => hub?.repository.test(repo.id))!;
  }
  if (named) return named;
  if (!isThere(source) && !hasPattern(source)) {
    throw new UserError(
      `${source}: found neither a corpus nor a file of this name; expected one of ${names}, a folder or file, or a data set of the hub, such as google/fleurs`,
    );
  }
  return recogniseCorpus((await expandPattern(source))[0]!);
}

/** @throws UserError for an option that the corpus does not have */
export function checkOwnOptions(corpus: Corpus, options: CorpusOptions): void {
  for (const [name, flag] of Object.entries(FLAGS) as [OwnOption, string][]) {
    if (options[name] === undefined || corpus.options.includes(name)) continue;
    const others = CORPORA.filter((other) => other.options.includes(name)).map((other) => other.name);
    throw new UserError(
      `${flag}: found it with ${corpus.name}; expected it with ${others.join(' or ')} only`,
    );
  }
}

export interface CorpusFolder {
  readonly folder: string;
  /** Of the hub with its commit. */
  readonly name: string;
  /** False where the hub was not asked, so that files may be missing. */
  readonly isComplete: boolean;
}

/** The place of a source: the path itself; of a data set of the hub the snapshot, with the files that a reading needs. */
export async function corpusFolder(
  corpus: Corpus,
  source: string,
  options: CorpusOptions,
  { onProgress, onNote, signal }: WorkOptions = {},
): Promise<CorpusFolder> {
  if (!isHubName(source)) return { folder: source, name: source, isComplete: true };
  if (!corpus.hub) {
    const known = CORPORA.filter(({ hub }) => hub).map(({ name }) => name);
    throw new UserError(
      `${source}: found no such file or folder, and of ${corpus.name} it is not known which files of the hub are needed ` +
        `(only of ${known.join(', ')}); expected a folder: hub download ${source} --dataset gives one`,
    );
  }
  const { repo, revision } = parseRepo(source, 'dataset');
  const { sets } = corpus.hub;
  const missing = sets && options.sets?.find((set) => !sets.includes(set));
  if (missing !== undefined)
    throw new UserError(`${source}: found no set "${missing}"; expected ${sets!.join(', ')}`);
  const files = corpus.hub.files(options);
  try {
    const {
      folder,
      commit,
      files: fetched,
    } = await download(repo, {
      ...{ revision, files, onProgress, onNote, signal },
    });
    return { folder, name: nameOf(repo, commit), isComplete: fetched !== undefined };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${error.message} (${source}: no such file or folder here, either)`, {
      cause: error,
    });
  }
}

/**
 * The manifest of a data set, prepared in a folder, where the same data set with the same options has the same place. One of the
 * hub is prepared once for each commit; one here each time, as its files may have changed.
 * @throws UserError where the data set is not known or cannot be read, in one line
 */
export async function prepareDataset(
  source: string,
  { layout, ...options }: DatasetOptions,
  { folder, ...work }: WorkOptions & { readonly folder: string },
): Promise<PreparedDataset> {
  const isOfHub = isHubName(source);
  const there = isOfHub && (await preparedManifest(source, { layout, ...options }, folder));
  if (there) return { manifest: there, name: source };
  const corpus = await corpusOf(source, layout);
  checkOwnOptions(corpus, options);
  if (isOfHub && corpus.hub?.sets && options.from === undefined)
    throw new UserError(
      `${source}: found no language spoken; expected it (--from), as all of its languages are very large`,
    );
  const found = await corpusFolder(corpus, source, options, work);
  const { name } = found;
  const manifest = placeOf(folder, corpus, name, options);
  if (!isOfHub || !(await exists(manifest))) {
    const prepared = await prepareCorpus(corpus, [found.folder], manifest, options, work).catch((error) => {
      if (!(error instanceof UserError) || found.isComplete) throw error;
      throw new UserError(`${error.message} (the hub was not asked: only what was fetched before is there)`, {
        cause: error,
      });
    });
    work.onNote?.(`${source}: read as ${corpus.name}: ${describePrepared(prepared)}`);
  }
  return { manifest, name };
}

/** The manifest that {@link prepareDataset} made before; undefined where there is none, or the hub would be asked for the commit. */
export async function preparedManifest(
  source: string,
  { layout, ...options }: DatasetOptions,
  folder: string,
): Promise<string | undefined> {
  const manifest = placeOf(folder, await corpusOf(source, layout), source, options);
  if (!(await exists(manifest))) return undefined;
  if (!isHubName(source)) return manifest;
  const { repo, revision = '' } = parseRepo(source, 'dataset');
  const hasFiles =
    isCommit(revision) && (await exists(new CachedRepo(cacheFolder(), repo).snapshot(revision)));
  return hasFiles ? manifest : undefined;
}

/** The path of the manifest of a data set. @param name with its commit, where it is of the hub */
function placeOf(folder: string, { name: layout }: Corpus, name: string, options: PrepareOptions): string {
  const isOfHub = isHubName(name);
  const from = isOfHub ? [name, cacheFolder()] : [resolve(name)];
  const key = fingerprint(JSON.stringify([packageVersion, layout, resolve(folder), ...from, options]), 12);
  const label = isOfHub
    ? name.replaceAll('/', '--').replace(/(@.{7}).*/, '$1')
    : basename(resolve(name))
        .replace(/[^\w.-]+/g, '_')
        .slice(0, 40);
  return join(folder, `${label || layout}-${key}.tsv`);
}
