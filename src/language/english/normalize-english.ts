import { collapseSpaces, removeBracketed, removeSymbolsAndDiacritics } from '../normalize-basic.ts';
import { splitWords, WHITESPACE } from '../whitespace.ts';
import { normalizeEnglishNumbers, WORD_END, WORD_START } from './numbers.ts';
import { AMERICAN_SPELLING } from './spelling.ts';

// Ported from openai/whisper (MIT, Copyright (c) 2022 OpenAI) by way of Hugging Face transformers (Apache-2.0).

const FILLERS = new RegExp(`${WORD_START}(hmm|mm|mhm|mmm|uh|um)${WORD_END}`, 'gu');
const SPACE_BEFORE_APOSTROPHE = new RegExp(`[${WHITESPACE}]+'`, 'gu');

/** Whole words first, then endings, in this order: "won't" must go before "n't". */
const WORDS: [string, string][] = [
  ["won't", 'will not'],
  ["can't", 'can not'],
  ["let's", 'let us'],
  ["ain't", 'aint'],
  ["y'all", 'you all'],
  ['wanna', 'want to'],
  ['gotta', 'got to'],
  ['gonna', 'going to'],
  ["i'ma", 'i am going to'],
  ['imma', 'i am going to'],
  ['woulda', 'would have'],
  ['coulda', 'could have'],
  ['shoulda', 'should have'],
  ["ma'am", 'madam'],
  ['mr', 'mister '],
  ['mrs', 'missus '],
  ['st', 'saint '],
  ['dr', 'doctor '],
  ['prof', 'professor '],
  ['capt', 'captain '],
  ['gov', 'governor '],
  ['ald', 'alderman '],
  ['gen', 'general '],
  ['sen', 'senator '],
  ['rep', 'representative '],
  ['pres', 'president '],
  ['rev', 'reverend '],
  ['hon', 'honorable '],
  ['asst', 'assistant '],
  ['assoc', 'associate '],
  ['lt', 'lieutenant '],
  ['col', 'colonel '],
  ['jr', 'junior '],
  ['sr', 'senior '],
  ['esq', 'esquire '],
];
const ENDINGS: [string, string][] = [
  ["'d been", ' had been'],
  ["'s been", ' has been'],
  ["'d gone", ' had gone'],
  ["'s gone", ' has gone'],
  ["'d done", ' had done'],
  ["'s got", ' has got'],
  ["n't", ' not'],
  ["'re", ' are'],
  ["'s", ' is'],
  ["'d", ' would'],
  ["'ll", ' will'],
  ["'t", ' not'],
  ["'ve", ' have'],
  ["'m", ' am'],
];
let replacements: readonly (readonly [RegExp, string])[] | undefined;

/** Made when they are needed: most commands never need them. */
function replacementPatterns(): readonly (readonly [RegExp, string])[] {
  replacements ??= [
    ...WORDS.map(([word, full]) => [new RegExp(WORD_START + word + WORD_END, 'gu'), full] as const),
    ...ENDINGS.map(([ending, full]) => [new RegExp(ending + WORD_END, 'gu'), full] as const),
  ];
  return replacements;
}

/**
 * Whisper's `EnglishTextNormalizer`, which its English word error rates are measured with: no fillers, contractions
 * written out, numbers in digits, American spelling, no punctuation. The ends are not stripped, as in the original.
 */
export function normalizeEnglish(text: string): string {
  let normalized = removeBracketed(text.toLowerCase());
  normalized = normalized.replace(FILLERS, '').replace(SPACE_BEFORE_APOSTROPHE, "'");
  for (const [pattern, full] of replacementPatterns()) normalized = normalized.replace(pattern, full);
  normalized = normalized.replace(/(\p{Nd}),(\p{Nd})/gu, '$1$2').replace(/\.([^0-9]|$)/gu, ' $1');
  normalized = removeSymbolsAndDiacritics(normalized, '.%$¢€£');
  normalized = normalizeEnglishNumbers(normalized);
  normalized = splitWords(normalized)
    .map((word) => AMERICAN_SPELLING.get(word) ?? word)
    .join(' ');
  return collapseSpaces(normalized.replace(/[.$¢€£]([^0-9])/gu, ' $1').replace(/([^0-9])%/gu, '$1 '));
}
