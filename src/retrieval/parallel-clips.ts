/** Recordings by language, and which sentences two languages share. */

import type { Clip } from '../data/clip.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { ComparedClip } from './clip-blocks.ts';

/** A recording of a sentence with its encoder output. */
export interface ParallelClip<Frames extends ComparedClip = EncodedClip> {
  readonly clip: Clip;
  readonly encoded: Frames;
}

/** The clips of each language, of several recordings of a sentence the first. */
export class ParallelClips<Frames extends ComparedClip = EncodedClip> {
  readonly #clips = new Map<string, ParallelClip<Frames>[]>();

  constructor(clips: readonly ParallelClip<Frames>[]) {
    const keys = new Map<string, Set<string>>();
    for (const one of clips) {
      const { language, key } = one.clip;
      const ofLanguage = this.#clips.get(language) ?? [];
      this.#clips.set(language, ofLanguage);
      const known = keys.get(language) ?? new Set();
      keys.set(language, known);
      // A second recording of a sentence would count as a wrong answer where it is found.
      if (key === '' || !known.has(key)) ofLanguage.push(one);
      known.add(key);
    }
  }

  get names(): string[] {
    return [...this.#clips.keys()].sort();
  }

  of(language: string): readonly ParallelClip<Frames>[] {
    return this.#clips.get(language) ?? [];
  }

  /** Ordered pairs of languages that share at least two sentences; with one, R@1 is trivially 1. */
  pairs(): { from: string; to: string }[] {
    return this.names.flatMap((from) =>
      this.names.filter((to) => to !== from && this.shared(from, to).length > 1).map((to) => ({ from, to })),
    );
  }

  /** Rows of `from` whose sentence is among those of `to`, and where. */
  shared(from: string, to: string): { row: number; column: number; key: string }[] {
    const columns = new Map(this.of(to).map(({ clip }, i) => [clip.key, i]));
    return this.of(from).flatMap(({ clip: { key } }, row) =>
      key !== '' && columns.has(key) ? [{ row, column: columns.get(key)!, key }] : [],
    );
  }
}
