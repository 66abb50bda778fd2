/** Merges short clips into long ones, so that the decoder is trained on contexts as long as at inference. */

import { audioDuration } from '../audio/audio-file.ts';
import { type Clip, referenceIn, speakerOf } from '../data/clip.ts';
import { GAP_SECONDS, MAX_SECONDS } from '../data/recording.ts';
import { languageProfile } from '../language/profile.ts';

export interface MergeOptions {
  /** Longest merged clip. */
  readonly seconds: number;
  /** Whether a text in the target language, of so many clips, fits the decoder's context. */
  readonly fits: (text: string, clips: number) => boolean;
  /** Length of a file, in seconds. Default: that of its header. */
  readonly durationOf?: ((file: string) => Promise<number>) | undefined;
}

/** A clip, and those that it was merged of. */
export type MergedClip = Clip & { readonly parts?: readonly Clip[] };

export const partsOf = (clip: MergedClip): readonly Clip[] => clip.parts ?? [clip];

/**
 * Merges consecutive clips of one language, one set, and one speaker and session (where the manifest has these columns),
 * within both bounds. Their texts are joined, too.
 * @param target clips without a text in this language are not merged
 */
export async function mergeClips(
  clips: readonly Clip[],
  target: string,
  { seconds, fits, durationOf = audioDuration }: MergeOptions,
): Promise<MergedClip[]> {
  const most = Math.min(seconds, MAX_SECONDS);
  const merged: MergedClip[] = [];
  for (const clip of clips) {
    const next = { ...clip, duration: await known(clip, durationOf) };
    const last = merged.at(-1);
    const joined = last && isOneSpeaker(last, next) ? join(last, next) : undefined;
    // A clip without a duration cannot be read, and one without a text is skipped: both are reported later.
    const texts = last && [referenceIn(last, target), referenceIn(next, target)];
    const usable = joined && joined.duration <= most && !texts!.includes('');
    if (usable && fits(referenceIn(joined, target), joined.parts.length)) merged[merged.length - 1] = joined;
    else merged.push(next);
  }
  return merged;
}

function isOneSpeaker(a: Clip, b: Clip): boolean {
  return (
    a.language === b.language &&
    a.set === b.set &&
    speakerOf(a) === speakerOf(b) &&
    a.other.session === b.other.session
  );
}

function join(a: MergedClip, b: Clip) {
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
    parts: [...partsOf(a), b],
  };
}

/** Duration, seconds; NaN where the manifest lacks it and the recording cannot be read. */
async function known(
  { audio, duration }: Clip,
  durationOf: (file: string) => Promise<number>,
): Promise<number> {
  return Number.isNaN(duration) ? durationOf(audio).catch(() => Number.NaN) : duration;
}
