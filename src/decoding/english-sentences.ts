/** Sentences of an English text: English first translates each for itself. */
import type { Tokens } from '../whisper/tokens.ts';
import { splitIntoWords } from './word-tokens.ts';

/** A shorter sentence ("Yes.", "Oh, no!") stays with the next: alone it says too little to be translated. */
const FEWEST_WORDS = 3;
/** Titles, initials and short forms: their full stop ends no sentence where more follows. */
const ABBREVIATION =
  /(?:^|[\s(])(?:\p{Lu}|Mrs?|Ms|Dr|Prof|St|Mt|Jr|Sr|Rev|Gen|Col|Capt|Lt|Sgt|Gov|Sen|Rep|No|Nos|Vol|Fig|vs|etc|approx|e\.?g|i\.?e|[ap]\.m|U\.S|U\.K)\.\s*$/u;
const SENTENCES = new Intl.Segmenter('en', { granularity: 'sentence' });

/**
 * Splits text tokens between sentences (Unicode's rules, UAX 29). All tokens are in the result, in their order.
 * @param ids English text without special tokens
 */
export function splitIntoSentences(ids: readonly number[], tokens: Tokens): number[][] {
  const words = splitIntoWords(ids, tokens);
  const text = words.map((word) => word.text).join('');
  const begins = beginnings(text);
  const sentences: number[][] = [];
  let at = 0;
  for (const word of words) {
    const first = at + word.text.length - word.text.trimStart().length;
    at += word.text.length;
    if (sentences.length === 0 || begins.has(first)) sentences.push([]);
    for (const id of word.tokens) sentences.at(-1)!.push(id);
  }
  return sentences;
}

/** Where sentences begin, behind the first. What follows a text moves none of them: live, it grows. */
function beginnings(text: string): Set<number> {
  const found = new Set<number>();
  let begin = 0;
  for (const { index, segment } of SENTENCES.segment(text)) {
    const before = text.slice(begin, index);
    // What is said before "she asked" ends with a mark of its own.
    if (wordsOf(before) < FEWEST_WORDS || ABBREVIATION.test(before) || /^\p{Ll}/u.test(segment)) continue;
    found.add(index);
    begin = index;
  }
  return found;
}

const wordsOf = (text: string): number =>
  text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
