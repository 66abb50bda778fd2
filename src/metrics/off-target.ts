import { UserError } from '../errors.ts';
import type { CorpusMetric } from './corpus.ts';

/** Scripts whose letters a language is written in; languages are Whisper's codes and those of its unseen relatives. */
const LANGUAGES_BY_SCRIPT: [script: string, languages: string][] = [
  [
    'Latin',
    'af az bs br ca cs cy da de en es et eu fi fo fr gl ha haw hr ht hu id is it jw jv la lb ln lt lv mg mi ms mt nl nn no oc pl pt ro sk sl sn so sq su sv sw tk tl tr uz vi yo ast ceb ga kea',
  ],
  ['Cyrillic', 'ba be bg kk ky mk mn ru sr tg tt uk'],
  ['Arabic', 'ar ckb fa ps sd ur'],
  ['Hebrew', 'he yi'],
  ['Greek', 'el'],
  ['Devanagari', 'hi mr ne sa'],
  ['Bengali', 'as bn'],
  ['Gujarati', 'gu'],
  ['Gurmukhi', 'pa'],
  ['Kannada', 'kn'],
  ['Malayalam', 'ml'],
  ['Tamil', 'ta'],
  ['Telugu', 'te'],
  ['Sinhala', 'si'],
  ['Thai', 'th'],
  ['Lao', 'lo'],
  ['Khmer', 'km'],
  ['Myanmar', 'my'],
  ['Tibetan', 'bo'],
  ['Georgian', 'ka'],
  ['Armenian', 'hy'],
  ['Ethiopic', 'am'],
  ['Hangul', 'ko'],
  ['Han', 'zh yue'],
  ['Japanese', 'ja'],
];

const SCRIPT_OF = new Map(
  LANGUAGES_BY_SCRIPT.flatMap(([script, languages]) => languages.split(' ').map((code) => [code, script])),
);

const KANA = /[\p{Script=Hiragana}\p{Script=Katakana}]/u;
const HANGUL = /\p{Script=Hangul}/u;
const LETTERS = /\p{L}/gu;
/** A translation must be written at least half in the letters of its language: names may stay in Latin. */
const MIN_SHARE = 0.5;

/**
 * Whether a text can be in a language, as far as its script tells: French output for English speech is not noticed,
 * Japanese or English output where Chinese was asked for is.
 *
 * - Any language: at least half of the letters belong to its script.
 * - `zh`, `yue`: also no kana and no hangul (a Japanese sentence can be mostly Han characters).
 * - `ja`: Han and kana count, and there must be some kana, or it might be Chinese.
 * - Empty or punctuation alone is off target: nothing was translated. Digits without letters fit every language.
 *
 * @throws UserError for a language whose script is not known here
 */
export function isTargetLanguage(text: string, language: string): boolean {
  const script = SCRIPT_OF.get(language);
  if (!script) {
    throw new UserError(
      `The script of language "${language}" is not known. Known: ${[...SCRIPT_OF.keys()].sort().join(', ')}.`,
    );
  }
  const letters = text.match(LETTERS) ?? [];
  if (letters.length === 0) return /\p{N}/u.test(text);
  if (script === 'Han' && (KANA.test(text) || HANGUL.test(text))) return false;
  if (script === 'Japanese' && !KANA.test(text)) return false;
  const member =
    script === 'Japanese'
      ? /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u
      : new RegExp(`\\p{Script=${script}}`, 'u');
  return letters.filter((letter) => member.test(letter)).length >= MIN_SHARE * letters.length;
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
    signature: () => `share of outputs not in the script of ${language}`,
  };
}
