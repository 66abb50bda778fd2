import { WHITESPACE } from './whitespace.ts';

// Ported from openai/whisper (MIT, Copyright (c) 2022 OpenAI) by way of Hugging Face transformers (Apache-2.0).

/** Letters that stand for others but do not come apart under NFKD. */
const ADDITIONAL_DIACRITICS: Record<string, string> = {
  œ: 'oe',
  Œ: 'OE',
  ø: 'o',
  Ø: 'O',
  æ: 'ae',
  Æ: 'AE',
  ß: 'ss',
  ẞ: 'SS',
  đ: 'd',
  Đ: 'D',
  ð: 'd',
  Ð: 'D',
  þ: 'th',
  Þ: 'th',
  ł: 'l',
  Ł: 'L',
};

const SPACES = new RegExp(`[${WHITESPACE}]+`, 'gu');

/** Drops diacritics (category Mn) and makes every other mark, symbol and punctuation a blank, but those in `keep`. */
export function removeSymbolsAndDiacritics(text: string, keep = ''): string {
  return text.normalize('NFKD').replace(/[\p{M}\p{S}\p{P}œŒøØæÆßẞđĐðÐþÞłŁ]/gu, (character) => {
    if (keep.includes(character)) return character;
    return ADDITIONAL_DIACRITICS[character] ?? (/\p{Mn}/u.test(character) ? '' : ' ');
  });
}

function removeSymbols(text: string): string {
  return text.normalize('NFKC').replace(/[\p{M}\p{S}\p{P}]/gu, ' ');
}

/** Removes what stands in `<>`, `[]` and `()`: speaker names, noises, stage directions. */
export function removeBracketed(text: string): string {
  return text.replace(/[<[][^>\]]*[>\]]/gu, '').replace(/\([^)]+?\)/gu, '');
}

/** Runs of white space become one blank; the ends are not stripped, as in the original. */
export function collapseSpaces(text: string): string {
  return text.replace(SPACES, ' ');
}

/**
 * Whisper's `BasicTextNormalizer`, for all languages but English: lowercase, without brackets, symbols and
 * punctuation. As in the original, every mark (category M) becomes a blank unless diacritics are removed, which
 * breaks words of Indic and Thai script: word error rates there are not comparable with others.
 */
export function normalizeBasic(
  text: string,
  options: {
    /** Drop diacritics: é becomes e. @default false */
    removeDiacritics?: boolean;
    /** Put blanks between grapheme clusters: turns WER into CER. @default false */
    splitLetters?: boolean;
  } = {},
): string {
  const clean = options.removeDiacritics ? removeSymbolsAndDiacritics : removeSymbols;
  let normalized = clean(removeBracketed(text.toLowerCase())).toLowerCase();
  if (options.splitLetters) {
    const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' }).segment(normalized);
    normalized = Array.from(graphemes, ({ segment }) => segment).join(' ');
  }
  return collapseSpaces(normalized);
}
