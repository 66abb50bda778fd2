/**
 * Columns that text takes in a terminal: two for East Asian wide and full-width characters and for emoji, none for
 * combining marks. After Unicode Standard Annex 11; ambiguous characters count one, as terminals draw them.
 */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += graphemeWidth(segment);
  return width;
}

/** The longest beginning of `text` that takes at most `width` columns, its last column `…` where text was cut. */
export function fitWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width < 1) return '';
  let taken = 0;
  let result = '';
  for (const { segment } of segmenter.segment(text)) {
    taken += graphemeWidth(segment);
    if (taken > width - 1) break;
    result += segment;
  }
  return `${result}…`;
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

// Ranges of East_Asian_Width W and F that hold text; [first, last] code points.
const WIDE: [number, number][] = [
  [0x1100, 0x115f], // Hangul initial consonants
  [0x2e80, 0x303e], // radicals, punctuation
  [0x3041, 0xa4cf], // kana, Bopomofo, CJK and its extension A, Yi
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3], // Hangul syllables
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60], // full-width forms
  [0xffe0, 0xffe6],
  [0x17000, 0x18cff], // Tangut, Khitan
  [0x1b000, 0x1b2ff], // kana supplements
  [0x20000, 0x3fffd], // CJK extensions B and later
];

function graphemeWidth(grapheme: string): number {
  if (/^[\p{M}\p{Cc}\p{Cf}]/u.test(grapheme)) return 0;
  if (/^\p{Emoji_Presentation}/u.test(grapheme) || grapheme.includes('\ufe0f')) return 2;
  const code = grapheme.codePointAt(0)!;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}
