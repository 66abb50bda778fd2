/** Short clips joined to long ones: the decoder learns from contexts as long as those that it will meet. */

import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { type Clip, referenceIn } from '../data/clip.ts';
import { GAP_SECONDS, MAX_SECONDS, readRecording } from '../data/recording.ts';
import { languageProfile } from '../language/profile.ts';

export interface MergeOptions {
  /** Longest that a clip may become. */
  readonly seconds: number;
  /** Whether the decoder's context holds a text in the target language. */
  readonly fits: (text: string) => boolean;
}

/** Columns that tell who speaks, and when. */
const SPEAKER = ['speaker', 'session'];

/**
 * Clips that follow each other in the manifest and are of one language, one set, and one speaker and session where it has
 * these columns, become one clip, as long as it stays within both bounds. Texts are joined with them.
 * @param target the language that is trained: a clip without a text in it is joined with none
 */
export async function mergeClips(
  clips: readonly Clip[],
  target: string,
  { seconds, fits }: MergeOptions,
): Promise<Clip[]> {
  const most = Math.min(seconds, MAX_SECONDS);
  const merged: Clip[] = [];
  for (const clip of clips) {
    const next = { ...clip, duration: await durationOf(clip) };
    const last = merged.at(-1);
    const joined = last && isOneSpeaker(last, next) ? join(last, next) : undefined;
    // A clip without a duration cannot be read, and one without a text teaches nothing: both are told later.
    const texts = last && [referenceIn(last, target), referenceIn(next, target)];
    const usable = joined && joined.duration <= most && !texts!.includes('');
    if (usable && fits(referenceIn(joined, target))) merged[merged.length - 1] = joined;
    else merged.push(next);
  }
  return merged;
}

function isOneSpeaker(a: Clip, b: Clip): boolean {
  return (
    a.language === b.language &&
    a.set === b.set &&
    SPEAKER.every((column) => a.other[column] === b.other[column])
  );
}

function join(a: Clip, b: Clip): Clip {
  const text = (one: string, other: string, language: string): string =>
    [one, other].filter((part) => part !== '').join(languageProfile(language).spaces ? ' ' : '');
  const written = new Set([...Object.keys(a.translations), ...Object.keys(b.translations)]);
  return {
    ...a,
    following: [...(a.following ?? []), b.audio],
    key: '',
    text: text(a.text, b.text, a.language),
    translations: Object.fromEntries(
      [...written].map((code) => [code, text(a.translations[code] ?? '', b.translations[code] ?? '', code)]),
    ),
    duration: a.duration + GAP_SECONDS + b.duration,
  };
}

/** Seconds; NaN where the manifest does not tell and the recording cannot be read. */
async function durationOf({ audio, duration }: Clip): Promise<number> {
  if (!Number.isNaN(duration)) return duration;
  return readRecording({ files: [audio] }).then(
    ({ length }) => length / SAMPLE_RATE,
    () => Number.NaN,
  );
}
