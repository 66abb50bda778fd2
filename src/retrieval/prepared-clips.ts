/** Clips of each language with the frame preparation of a retrieval method, computed once. */

import { readAudio } from '../audio/audio-file.ts';
import { speechFlags } from '../audio/voice-activity.ts';
import type { Runtime } from '../backend/runtime.ts';
import { SAMPLES_PER_FRAME } from '../whisper/encoded-clip.ts';
import type { ComparedClip } from './clip-blocks.ts';
import type { RetrievalMethod } from './methods.ts';
import type { ParallelClips } from './parallel-clips.ts';
import { centred, weightedByRarity, withFrames } from './prepare-clips.ts';

/** Caches the prepared clips of each language by their adjustments. */
export class PreparedClips {
  readonly #made = new Map<string, Promise<ComparedClip[]>>();

  constructor(
    readonly runtime: Runtime,
    readonly languages: ParallelClips<ComparedClip>,
  ) {}

  clips(language: string, { adjustments }: RetrievalMethod): Promise<ComparedClip[]> {
    const steps = ['voiced', 'centre', 'weights'].filter((step) => adjustments.has(step as 'voiced'));
    return this.#after(language, steps);
  }

  #after(language: string, steps: readonly string[]): Promise<ComparedClip[]> {
    const name = [language, ...steps].join('+');
    let made = this.#made.get(name);
    if (!made) {
      made = this.#make(language, steps);
      this.#made.set(name, made);
    }
    return made;
  }

  async #make(language: string, steps: readonly string[]): Promise<ComparedClip[]> {
    const last = steps.at(-1);
    const before = steps.slice(0, -1);
    if (last === undefined) return this.languages.of(language).map(({ encoded }) => encoded);
    if (last === 'centre') return centred(await this.#after(language, before));
    if (last === 'weights') {
      // Rarity is counted over all languages: frames of silence are alike in all.
      const all = await Promise.all(this.languages.names.map((name) => this.#after(name, before)));
      const weighted = await weightedByRarity(this.runtime, all.flat());
      let first = 0;
      for (const [i, name] of this.languages.names.entries()) {
        const own = weighted.slice(first, first + all[i]!.length);
        this.#made.set([name, ...steps].join('+'), Promise.resolve(own));
        first += own.length;
      }
      return this.#after(language, steps);
    }
    const clips = await this.#after(language, before);
    const voiced: ComparedClip[] = [];
    for (const [i, { clip }] of this.languages.of(language).entries()) {
      voiced.push(withFrames(clips[i]!, await speechFlags(await readAudio(clip.audio), SAMPLES_PER_FRAME)));
    }
    return voiced;
  }
}
