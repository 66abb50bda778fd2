import { UserError } from '../errors.ts';
import { identifierName, isLikelyIn } from '../language/identify.ts';
import { languageProfile } from '../language/profile.ts';
import { letterIn, scriptsOf } from '../language/script.ts';
import type { CorpusMetric } from './corpus.ts';

const KANA = /[\p{Script=Hiragana}\p{Script=Katakana}]/u;
const HANGUL = /\p{Script=Hangul}/u;
const LETTERS = /\p{L}/gu;
/** Least share of letters in the script of the language: names may stay in Latin. */
const MIN_SHARE = 0.5;

/**
 * Whether a text can be in a language, judged by its script and, among languages of one script, by its words.
 *
 * - Any language: at least half of the letters belong to its script, which is the one of its profile.
 * - `zh`, `yue`: also no kana and no hangul (a Japanese sentence can be mostly Han characters).
 * - `ja`: Han and kana count, and there must be some kana, or it might be Chinese.
 * - A language that shares its script: also no other of them is likelier, see {@link isLikelyIn}.
 * - Empty or punctuation alone is off target: nothing was translated. Digits without letters fit every language.
 *
 * @throws UserError for a language of unknown script
 */
export function isTargetLanguage(text: string, language: string): boolean {
  const letterOf = lettersOf(language);
  const letters = text.match(LETTERS) ?? [];
  if (letters.length === 0) return /\p{N}/u.test(text);
  const { script } = languageProfile(language);
  if ((script === 'Hans' || script === 'Hant') && (KANA.test(text) || HANGUL.test(text))) return false;
  if (script === 'Jpan' && !KANA.test(text)) return false;
  const own = letters.filter((letter) => letterOf.test(letter)).length;
  return own >= MIN_SHARE * letters.length && isLikelyIn(text, language);
}

function lettersOf(language: string): RegExp {
  const scripts = scriptsOf(language);
  if (scripts.length === 0) {
    throw new UserError(
      `the script of language "${language}" is not known: expected a code such as de or zh`,
    );
  }
  return letterIn(scripts);
}

/** Share (0 to 1) of texts that are not in the language; 0 for no texts. See {@link isTargetLanguage}. */
export function offTargetRate(texts: readonly string[], language: string): number {
  isTargetLanguage('', language); // an unknown language is an error even when there are no texts
  if (texts.length === 0) return 0;
  return texts.filter((text) => !isTargetLanguage(text, language)).length / texts.length;
}

/** The off-target rate as a {@link CorpusMetric} in percent; it needs no references. */
export function offTarget(language: string): CorpusMetric<{ language: string; score: number }> {
  isTargetLanguage('', language); // refuse an unknown language before any work
  return {
    statistics: (hypotheses) => hypotheses.map((text) => [isTargetLanguage(text, language) ? 0 : 1, 1]),
    score: ([off = 0, all = 0]) => ({ language, score: (100 * off) / Math.max(1, all) }),
    signature: () => {
      const identifier = identifierName(language);
      return identifier
        ? `share of outputs not in ${language}, by its script and ${identifier}`
        : `share of outputs not in the script of ${language}`;
    },
  };
}
