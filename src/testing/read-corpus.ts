/** Reads a corpus whole, for tests. */
import type { Corpus, CorpusOptions } from '../corpora/corpus.ts';
import type { CorpusClip } from '../data/manifest-write.ts';

export interface ReadCorpus {
  readonly clips: readonly CorpusClip[];
  /** `where: reason: detail`, as `prepare` shows them. */
  readonly skipped: readonly string[];
}

/** @param folder what is taken out of the paths in `skipped` */
export async function readCorpus(
  corpus: Corpus,
  sources: readonly string[],
  options: CorpusOptions = {},
  folder = '',
): Promise<ReadCorpus> {
  const skipped: string[] = [];
  const short = (line: string): string => (folder === '' ? line : line.replaceAll(`${folder}/`, ''));
  const clips: CorpusClip[] = [];
  const reading = {
    ...options,
    skip: (where: string, reason: string, detail?: string) =>
      skipped.push(short([`${where}: ${reason}`, detail].filter(Boolean).join(': '))),
    seen: () => {},
    isFull: () => false,
  };
  for await (const clip of corpus.read(sources, reading)) clips.push(clip);
  return { clips, skipped };
}
