/** Corpora on the Hugging Face hub: which one a data set is, and the folder of its files in the hub's cache. */
import { UserError } from '../errors.ts';
import { download } from '../hub/download.ts';
import { isHubName, parseRepo } from '../hub/names.ts';
import type { WorkOptions } from '../report/progress.ts';
import { CORPORA } from './corpora.ts';
import type { Corpus, CorpusOptions } from './corpus.ts';

/**
 * The corpus that a data set of the hub is, by its name ("google/fleurs", "owner/name@revision"); undefined for paths.
 * @throws UserError where it is none that is known
 */
export function hubCorpus(source: string): Corpus | undefined {
  if (!isHubName(source)) return undefined;
  const { repo } = parseRepo(source, 'dataset');
  const corpus = CORPORA.find(({ hub }) => hub?.repository.test(repo.id));
  if (corpus) return corpus;
  const known = CORPORA.filter(({ hub }) => hub).map(({ name }) => name);
  throw new UserError(
    `${source}: found no such file or folder, and no data set of the hub whose files are known (${known.join(', ')}); ` +
      `expected one, or a folder: hub download ${source} --dataset gives one`,
  );
}

/** The folder of a source: the path itself, or of a data set of the hub the snapshot, with the files that a reading needs. */
export async function corpusFolder(
  corpus: Corpus,
  source: string,
  options: CorpusOptions,
  { onProgress, onNote, signal }: WorkOptions = {},
): Promise<string> {
  if (!corpus.hub || !isHubName(source)) return source;
  const { repo, revision } = parseRepo(source, 'dataset');
  const files = corpus.hub.files(options);
  return (await download(repo, { revision, files, onProgress, onNote, signal })).folder;
}
