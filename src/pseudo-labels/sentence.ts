/** Sentences to translate: those of a manifest's clips, each once. */
import { withoutPart } from '../audio/audio-reference.ts';
import { type Clip, referenceIn } from '../data/clip.ts';
import { fingerprint } from '../files/fingerprint.ts';

export interface Sentence {
  /** Code of its language; '': unknown. */
  readonly language: string;
  readonly text: string;
  /** Sentences said before it in the same recording or session. */
  readonly before: readonly string[];
}

/** Names a sentence with its context among kept answers. */
export const sentenceKey = ({ language, text, before }: Sentence): string =>
  fingerprint(JSON.stringify([language, text, before]), 24);

const recordingOf = ({ audio, other }: Clip): string => other.session || withoutPart(audio);

/**
 * The sentence of each clip that has a transcript and no translation; undefined for the others.
 * @param context how many clips before it, of the same recording or session, are given with it
 */
export function sentencesOf(
  clips: readonly Clip[],
  target: string,
  context: number,
): (Sentence | undefined)[] {
  return clips.map((clip, i) => {
    const text = spoken(clip);
    if (text === '' || referenceIn(clip, target).trim() !== '') return undefined;
    const before: string[] = [];
    for (let k = i - 1; k >= 0 && before.length < context; k--) {
      if (recordingOf(clips[k]!) !== recordingOf(clip)) break;
      const earlier = spoken(clips[k]!);
      if (earlier !== '') before.unshift(earlier);
    }
    return { language: clip.language, text, before };
  });
}

/** The sentences without repetitions, in order of appearance. */
export function eachOnce(sentences: readonly (Sentence | undefined)[]): Sentence[] {
  const seen = new Map<string, Sentence>();
  for (const sentence of sentences) {
    if (!sentence) continue;
    const key = sentenceKey(sentence);
    if (!seen.has(key)) seen.set(key, sentence);
  }
  return [...seen.values()];
}

const spoken = ({ text }: Clip): string => text.replace(/\s+/g, ' ').trim();
