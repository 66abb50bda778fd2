/** Which language each part of a code-switched text is in, told by its script: Mandarin and English, Hindi and English. */
import { letterIn, scriptsOf } from './script.ts';

/** A run of one language: `text.slice(from, to)`. */
export interface TextSpan {
  readonly language: string;
  readonly from: number;
  readonly to: number;
}

/** Splits a text into spans; they follow each other without gaps. None for a text without a letter of the languages. */
export type SpansOf = (text: string) => TextSpan[];

/**
 * Spans of languages with scripts of their own. Digits, marks, blanks and other scripts go with the span before them, at the
 * beginning with the first.
 * @returns undefined where two of the languages share a script (English and French, Chinese and Japanese)
 */
export function spansByScript(languages: readonly string[]): SpansOf | undefined {
  const scripts = languages.map(scriptsOf);
  const all = scripts.flat();
  if (new Set(all).size < all.length || scripts.some((own) => own.length === 0)) return undefined;
  const letters = scripts.map(letterIn);
  return (text) => {
    const spans: { language: string; from: number; to: number }[] = [];
    let at = 0;
    for (const character of text) {
      const language = languages[letters.findIndex((letter) => letter.test(character))];
      if (language !== undefined && language !== spans.at(-1)?.language) {
        spans.push({ language, from: spans.length === 0 ? 0 : at, to: at });
      }
      at += character.length;
      if (spans.length > 0) spans.at(-1)!.to = at;
    }
    return spans;
  };
}
