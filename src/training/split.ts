/** Recordings that are in the dev set and trained on, too, under whatever name. */
import { sameRecordings } from '../data/repeated-clips.ts';
import { SameContent } from '../files/same-content.ts';
import type { WorkOptions } from '../report/progress.ts';

/** A clip's place among the corpora. */
interface OfCorpus {
  readonly corpus: number;
}

/** Compares the recordings of the dev set with those that are trained on. */
export class Split {
  readonly #files = new SameContent();
  /** Manifests by file of the dev set. */
  readonly #manifests = new Map<string, string>();

  /** @param manifests of the corpora */
  constructor(private readonly manifests: readonly string[]) {}

  readonly addDev = ({ corpus }: OfCorpus, file: string, bytes: number): void => {
    this.#manifests.set(file, this.manifests[corpus]!);
    this.#files.add(file, bytes);
  };

  readonly addTraining = ({ corpus }: OfCorpus, file: string, bytes: number): void => {
    // The same path in two sets of a manifest has been reported.
    if (this.#manifests.get(file) !== this.manifests[corpus]) this.#files.addOther(file, bytes);
  };

  /** One line; undefined where no recording is in both. */
  async note({ onProgress, signal }: WorkOptions): Promise<string | undefined> {
    const pairs = await this.#files.pairs({
      onProgress: (done, total) => onProgress?.({ stage: 'comparing recordings', done, total }),
      signal,
    });
    return sameRecordings('of the dev set', 'to train on', pairs);
  }
}
