/** Recordings for the benches: GCompris' sentences, from samples/. */

import type { Clip } from '../src/data/clip.ts';
import { readManifest } from '../src/data/manifest.ts';
import { normalizeEnglish } from '../src/language/english/normalize-english.ts';
import { normalizeBasic } from '../src/language/normalize-basic.ts';
import { wordErrorRate } from '../src/metrics/word-error-rate.ts';
import { inRepository } from './result.ts';

/** Clips of samples/, sorted by key. */
export async function clipsOf(set: string, language: string): Promise<Clip[]> {
  const clips = await readManifest(inRepository('samples/manifest.tsv'));
  return clips
    .filter((clip) => clip.language === language && clip.set === set)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Sentences read by a person. */
export async function sentences(language: string, count = Number.POSITIVE_INFINITY): Promise<Clip[]> {
  return (await clipsOf('intro', language)).slice(0, count);
}

/** Word error rate after Whisper's normaliser. */
export function wordErrors(
  hypotheses: readonly string[],
  references: readonly string[],
  language: string,
): number {
  const normal = language === 'en' ? normalizeEnglish : (text: string) => normalizeBasic(text);
  return wordErrorRate(hypotheses.map(normal), references.map(normal)).rate;
}
