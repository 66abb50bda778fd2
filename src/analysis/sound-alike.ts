/**
 * Words of two languages that look or sound alike: cognates, loanwords and names, by which sentences can be matched without
 * being understood. Spelling is compared in Latin letters (any-ascii). For the sound there is no freely licensed library
 * on npm with phonemes of many languages (eSpeak's ports are GPL, and cannot be part of this), so consonants stand for it:
 * Double Metaphone (Philips 2000), whose rules cover spellings of most languages in Latin letters.
 */
import anyAscii from 'any-ascii';
import { doubleMetaphone } from 'double-metaphone';

/** Shorter words are mostly grammar, and alike by chance. */
const SHORTEST_WORD = 4;
/** 1 − edit distance / letters: 0.57 of "numbers" and "nombres". */
const ALIKE_SPELLING = 0.55;
/** Consonants that words must have to be alike by sound: of two too many are. */
const SOUND_CONSONANTS = 3;

/** The words of a sentence that carry meaning, in Latin letters, each once. */
export function contentWords(text: string): string[] {
  const words = anyAscii(text)
    .toLowerCase()
    .split(/[^a-z]+/);
  return [...new Set(words.filter((word) => word.length >= SHORTEST_WORD))];
}

export function areAlike(a: string, b: string): boolean {
  if (1 - editDistance(a, b) / Math.max(a.length, b.length) >= ALIKE_SPELLING) return true;
  const [keysA, keysB] = [doubleMetaphone(a), doubleMetaphone(b)];
  return keysA.some((key) => key.length >= SOUND_CONSONANTS && keysB.includes(key));
}

/** Pairs of words, each word of `a` at most once, that look or sound alike. */
export function alikeWords(a: string, b: string): [string, string][] {
  const others = contentWords(b);
  return contentWords(a).flatMap((word): [string, string][] => {
    const other = others.find((candidate) => areAlike(word, candidate));
    return other === undefined ? [] : [[word, other]];
  });
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(change, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
