/** Splits text into words of the language model: one definition for training, scoring and beam search. */

import { normalizeEnglish } from '../language/english/normalize-english.ts';
import { normalizeBasic } from '../language/normalize-basic.ts';
import { languageProfile } from '../language/profile.ts';
import { splitWords } from '../language/whitespace.ts';
import { splitMixedTokens } from '../metrics/word-error-rate.ts';
import type { WorkOptions } from '../report/progress.ts';

/** Whether each character is a word, which is complete without a following space. */
export const wordsAreCharacters = (language: string): boolean => !languageProfile(language).spaces;
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
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

/**
 * Words of a text as it is written, with case, punctuation and the space before each: joined they are the text. In a language
 * without spaces characters. What has neither letter nor digit belongs to the word before it.
 */
export function writtenWords(text: string, language: string): string[] {
  // The decoder's last tokens may be a part of a character.
  const written = splitWords(text.replace(/\uFFFD+$/, '')).join(' ');
  const parts = wordsAreCharacters(language)
    ? Array.from(graphemes.segment(written), ({ segment }) => segment)
    : (written.match(/ ?[^ ]+/g) ?? []);
  const words: string[] = [];
  for (const part of parts) {
    const last = words.at(-1);
    if (last === undefined || (LETTER_OR_DIGIT.test(part) && LETTER_OR_DIGIT.test(last))) words.push(part);
    else words[words.length - 1] = last + part;
  }
  return words;
}

/** Sentences between two reports of progress. */
const SENTENCES_PER_REPORT = 1000;

type LinesProgress = Pick<WorkOptions, 'onProgress'> & { readonly stage: string };

/** Words of sentences, one per line; empty ones are skipped. */
export function* wordsOfLines(
  lines: readonly string[],
  language: string,
  progress: LinesProgress,
): Generator<string[]> {
  for (const { words } of linesWithWords(lines, language, progress)) yield words;
}

/** Lines that have words, and the words. */
export function* linesWithWords(
  lines: readonly string[],
  language: string,
  { stage, onProgress }: LinesProgress,
): Generator<{ readonly line: string; readonly words: string[] }> {
  const total = lines.length;
  for (const [done, line] of lines.entries()) {
    const words = languageModelWords(line, language);
    if (words.length > 0) yield { line, words };
    if (done % SENTENCES_PER_REPORT === 0) onProgress?.({ stage, done, total });
  }
  onProgress?.({ stage, done: total, total, note: 'sentences' });
}
