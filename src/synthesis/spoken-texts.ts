/** Texts to speak: the rows of a manifest that a voice can read and that have the translations asked for. */

import { type Clip, referenceIn } from '../data/clip.ts';
import { manifestRows } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { fingerprint, seedOf } from '../files/fingerprint.ts';
import { languageProfile, sameLanguage } from '../language/profile.ts';
import { sfc32, shuffle } from '../random.ts';
import type { WorkOptions } from '../report/progress.ts';
import { whyUnreadable } from './readable-text.ts';
import { reasonsIn } from './summary.ts';

export interface SpokenText {
  readonly text: string;
  /** Texts before it that are the same. */
  readonly occurrence: number;
  readonly key: string;
  readonly set: string;
  readonly translations: Readonly<Record<string, string>>;
}

/** Texts of a kind that are shown. */
const SHOWN = 3;

/**
 * In an order drawn by the seed, so that the first ones are a sample.
 * @throws UserError where no text is left
 */
export async function textsToSpeak({
  pairs,
  from,
  to,
  seed,
  onSkip,
}: {
  readonly pairs: string;
  readonly from: string;
  readonly to?: readonly string[] | undefined;
  readonly seed: number;
} & Pick<WorkOptions, 'onSkip'>): Promise<{ texts: SpokenText[]; skipped: Map<string, number> }> {
  const skipped = new Map<string, number>();
  const occurrences = new Map<string, number>();
  const texts: SpokenText[] = [];
  const count = (why: string): number => {
    const counted = (skipped.get(why) ?? 0) + 1;
    skipped.set(why, counted);
    return counted;
  };
  const onBadRow = (line: number, reason: string): void => {
    if (count('not a row') <= SHOWN) onSkip?.(`${pairs}:${line}: ${reason}`);
  };
  for await (const { clip, line } of manifestRows(pairs, { withoutAudio: true, onBadRow })) {
    const found = spokenText(clip, from, to);
    if ('why' in found) {
      if (count(found.why) <= SHOWN)
        onSkip?.(`${pairs}:${line}: ${JSON.stringify(found.text.slice(0, 60))}: ${found.why}`);
      continue;
    }
    const occurrence = occurrences.get(found.text) ?? 0;
    occurrences.set(found.text, occurrence + 1);
    texts.push({ ...found, occurrence });
  }
  if (texts.length === 0) {
    const reasons = reasonsIn(Object.fromEntries(skipped));
    throw new UserError(
      `${pairs}: found no text to speak (${reasons}); expected a column text or text_${from}`,
    );
  }
  return { texts: shuffle(texts, sfc32(seedOf(JSON.stringify([seed, 'order'])))), skipped };
}

function spokenText(
  clip: Clip,
  from: string,
  to: readonly string[] | undefined,
): Omit<SpokenText, 'occurrence'> | { readonly why: string; readonly text: string } {
  if (clip.language !== '' && !sameLanguage(clip.language, from))
    return { why: `lang other than ${from}`, text: clip.text };
  const text = referenceIn({ ...clip, language: from }, from)
    .replace(/\s+/g, ' ')
    .trim();
  const why = whyUnreadable(text, from);
  if (why !== undefined) return { why, text };
  const translations = Object.fromEntries(
    (to ?? Object.keys(clip.translations).filter((code) => !sameLanguage(code, from))).map((code) => [
      languageProfile(code).code,
      referenceIn({ ...clip, language: '' }, code),
    ]),
  );
  const lacking = Object.keys(translations).find((code) => translations[code]!.trim() === '');
  if (lacking !== undefined) return { why: `no text in ${lacking}`, text };
  return { text, translations, key: clip.key || fingerprint(text, 12), set: clip.set || 'train' };
}
