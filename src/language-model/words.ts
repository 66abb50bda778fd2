/** How a text becomes words of the language model: one definition for training, scoring and beam search. */

import { normalizeEnglish } from '../language/english/normalize-english.ts';
import { normalizeBasic } from '../language/normalize-basic.ts';
import { splitWords } from '../language/whitespace.ts';
import { splitMixedTokens } from '../metrics/word-error-rate.ts';

/** Written without blanks between words. Whisper's paper, too, measures characters here. */
const CHINESE = ['zh', 'yue'];
const WITHOUT_BLANKS = ['ja', 'th', 'lo', 'my'];

/** Whether each character is a word: it is complete when it is written, not when a blank follows. */
export const wordsAreCharacters = (language: string): boolean =>
  CHINESE.includes(language) || WITHOUT_BLANKS.includes(language);
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

/**
 * Words of a text, normalised so that a transcript and the training text agree: no punctuation, lowercase; for English
 * Whisper's English normaliser, for others its basic one. Chinese is cut into characters and words of other scripts,
 * Japanese, Thai, Lao and Burmese into grapheme clusters. Simplified and Traditional Chinese stay what they are: the
 * training text should have the script that is wanted.
 *
 * @param language Whisper's code, such as "en"
 */
export function languageModelWords(text: string, language: string): string[] {
  if (CHINESE.includes(language)) return splitMixedTokens(text);
  const normalized =
    language === 'en'
      ? normalizeEnglish(text)
      : normalizeBasic(text, { splitLetters: WITHOUT_BLANKS.includes(language) });
  // Whisper's English normaliser leaves a point of "..." at the end of a text.
  return splitWords(normalized).filter((word) => LETTER_OR_DIGIT.test(word));
}
