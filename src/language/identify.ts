/** Language identification among languages that share a script: English or French where German was asked for. */

import { largest } from '../extremes.ts';
import { languageProfile } from './profile.ts';

type Detector = typeof import('eld/medium').eld;

/**
 * How much higher another language of the script must score for a text to count as written in it; eld scores from 0 to 1.
 * In scripts beyond ASCII all letters share a byte, so that the scores lie closer together. Of other scripts than these
 * eld knows one language each.
 */
const MARGINS: Readonly<Record<string, number>> = { Latn: 0.03, Cyrl: 0.008, Arab: 0.005, Deva: 0.005 };
/** Shorter texts are often names and interjections: of two words, 6 to 12 in 100 would be false alarms. */
const MIN_WORDS = 3;
const WORD = /\p{L}[\p{L}\p{M}'’-]*/gu;
/** A score of English that texts in a language unknown to eld hardly reach (sentences in English: 0.78 on average). */
const CLEARLY_ENGLISH = 0.7;
/** Languages that eld scores as one with another (id, nn, bs), or that it names otherwise than Unicode does. */
const ELD_CODES: Readonly<Record<string, string>> = {
  id: 'ms',
  nn: 'no',
  bs: 'hr',
  ckb: 'ku',
};
/** eld's Kurdish is Sorani, in Arabic letters. */
const UNICODE_CODES: Readonly<Record<string, string>> = { ku: 'ckb' };

/** Words of letters, as {@link isLikelyIn} counts them. */
export const countWords = (text: string): number => text.match(WORD)?.length ?? 0;

let detector: Detector | undefined;
/** Languages that eld knows, by script. */
const known = new Map<string | undefined, string[]>();

const isLatin = (language: string): boolean => languageProfile(language).script === 'Latn';
const marginOf = (language: string): number | undefined => MARGINS[languageProfile(language).script ?? ''];

/**
 * Loads the n-grams of eld (Efficient Language Detector, size "medium": 0.3 s, 70 MB), which {@link isLikelyIn} needs;
 * nothing for a language that is alone in its script, as Chinese, Japanese and Greek are.
 */
export async function loadIdentifier(language: string): Promise<void> {
  if (detector || marginOf(language) === undefined) return;
  detector = (await import('eld/medium')).eld;
  known.clear(); // another call may have come first meanwhile
  for (const code of Object.values(detector.info().Languages)) {
    const { script } = languageProfile(UNICODE_CODES[code] ?? code);
    known.set(script, [...(known.get(script) ?? []), code]);
  }
}

/** The languages of its script that eld knows, with eld's code of the language itself if it is among them. */
function knownAround(language: string): { candidates: readonly string[]; own: string | undefined } {
  if (!detector) throw new Error(`await loadIdentifier('${language}') comes first.`);
  const { base, script } = languageProfile(language);
  const candidates = known.get(script) ?? [];
  const own = ELD_CODES[base] ?? base;
  return { candidates, own: candidates.includes(own) ? own : undefined };
}

/** Name of the identifier behind {@link isLikelyIn}, for signatures; undefined for a language that it does not check. */
export function identifierName(language: string): string | undefined {
  const margin = marginOf(language);
  if (margin === undefined) return undefined;
  if (knownAround(language).own !== undefined) return `eld 2.1.0 medium, margin ${margin}`;
  return isLatin(language) ? `eld 2.1.0 medium for English, score ${CLEARLY_ENGLISH}` : undefined;
}

/**
 * Whether a text can be in a language, judged by its words. The caller checks the script.
 *
 * - A language that eld knows: no other of its script scores higher by more than the margin.
 * - Another one in Latin letters (Irish, Asturian, Swahili): the text is not clearly English.
 * - Another one, or a text of fewer than three words: always.
 *
 * @param language as {@link languageProfile} takes it: `de`, `pt-BR`, `sr-Latn`
 * @throws Error for a language that shares its script, before {@link loadIdentifier}
 */
export function isLikelyIn(text: string, language: string): boolean {
  const margin = marginOf(language);
  if (margin === undefined || countWords(text) < MIN_WORDS) return true;
  const { candidates, own } = knownAround(language);
  const result = detector!.detect(text);
  const scores = result.getScores();
  if (own === undefined) {
    return !isLatin(language) || result.language !== 'en' || scores.en! < CLEARLY_ENGLISH;
  }
  const others = candidates.filter((code) => code !== own).map((code) => scores[code] ?? 0);
  return largest(others, Number) - (scores[own] ?? 0) <= margin;
}
