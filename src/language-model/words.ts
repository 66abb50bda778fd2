/** Splits text into words of the language model: one definition for training, scoring and beam search. */

import { normalizeEnglish } from '../language/english/normalize-english.ts';
import { normalizeBasic } from '../language/normalize-basic.ts';
import { languageProfile } from '../language/profile.ts';
import { splitWords } from '../language/whitespace.ts';
import { splitMixedTokens } from '../metrics/word-error-rate.ts';
import type { WorkOptions } from '../report/progress.ts';

/** Whether each character is a word, which is complete without a following space. */
export const wordsAreCharacters = (language: string): boolean => !languageProfile(language).spaces;
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

/**
 * Words of a text, normalised so that a transcript and the training text agree: no punctuation, lowercase; for English
 * Whisper's English normaliser, for others its basic one. Chinese is cut into characters and words of other scripts,
 * other languages without spaces into grapheme clusters (Whisper's paper, too, measures characters there). Simplified
 * and Traditional Chinese are not converted: the training text should use the desired characters.
 *
 * @param language Whisper's code, such as "en"
 */
export function languageModelWords(text: string, language: string): string[] {
  const { base, script, spaces } = languageProfile(language);
  if (script === 'Hans' || script === 'Hant') return splitMixedTokens(text);
  const normalized = base === 'en' ? normalizeEnglish(text) : normalizeBasic(text, { splitLetters: !spaces });
  // Whisper's English normaliser leaves a point of "..." at the end of a text.
  return splitWords(normalized).filter((word) => LETTER_OR_DIGIT.test(word));
}

/** The text of words: with spaces between them, in a language without spaces only between words of several characters. */
export function textOfWords(words: readonly string[], language: string): string {
  if (!wordsAreCharacters(language)) return words.join(' ');
  const isLong = (word: string | undefined): boolean => word !== undefined && [...word].length > 1;
  return words.map((word, i) => (isLong(words[i - 1]) && isLong(word) ? ` ${word}` : word)).join('');
}

/** Sentences between two reports of progress. */
const SENTENCES_PER_REPORT = 1000;

/** Words of sentences, one per line; empty ones are skipped. */
export function* wordsOfLines(
  lines: readonly string[],
  language: string,
  { stage, onProgress }: Pick<WorkOptions, 'onProgress'> & { readonly stage: string },
): Generator<string[]> {
  const total = lines.length;
  for (const [done, line] of lines.entries()) {
    const words = languageModelWords(line, language);
    if (words.length > 0) yield words;
    if (done % SENTENCES_PER_REPORT === 0) onProgress?.({ stage, done, total });
  }
  onProgress?.({ stage, done: total, total, note: 'sentences' });
}
