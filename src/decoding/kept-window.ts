/** Windows of a long recording as they are kept for a run that resumes within it. */
import type { DetectedLanguage } from './detect-language.ts';
import type { WindowResult } from './part-transcription.ts';

/** A window, found by its place: the same sound is cut into the same parts. */
export interface WindowKey {
  readonly audio: string;
  /** Fingerprint of the samples: a recording that has changed begins again. */
  readonly sound: string;
  readonly part: number;
  /** Number of windows of the part before it. */
  readonly window: number;
}

export interface KeptWindow extends WindowKey {
  /** Of the recording, with its first window. */
  readonly detected?: { readonly language: string; readonly probabilities: Readonly<Record<string, number>> };
  readonly result: WindowResult;
}

export const languageToKeep = ({ language, probabilities }: DetectedLanguage): KeptWindow['detected'] => ({
  language,
  probabilities: Object.fromEntries(probabilities),
});

export const keptLanguage = ({
  language,
  probabilities,
}: NonNullable<KeptWindow['detected']>): DetectedLanguage => ({
  language,
  probabilities: new Map(Object.entries(probabilities)),
});
