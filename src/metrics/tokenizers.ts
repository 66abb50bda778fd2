import { splitWords, trim } from '../language/whitespace.ts';

/** sacreBLEU's tokenizers that need no model or dictionary. Chinese output must be scored with `zh` (or `char`). */
export const BLEU_TOKENIZERS = ['13a', 'zh', 'char', 'intl', 'none'] as const;
export type BleuTokenizer = (typeof BLEU_TOKENIZERS)[number];

const PUNCTUATION = /([{-~[-` -&(-+:-@/])/gu;
const PERIOD_AFTER_NON_DIGIT = /([^0-9])([.,])/gu;
const PERIOD_BEFORE_NON_DIGIT = /([.,])([^0-9])/gu;
const DASH_AFTER_DIGIT = /([0-9])(-)/gu;

/** The rules that mteval-v13a and the `zh` tokenizer share. Splitting on white space is left to the caller. */
function splitWesternPunctuation(line: string): string {
  return line
    .replace(PUNCTUATION, ' $1 ')
    .replace(PERIOD_AFTER_NON_DIGIT, '$1 $2 ')
    .replace(PERIOD_BEFORE_NON_DIGIT, ' $1 $2')
    .replace(DASH_AFTER_DIGIT, '$1 $2 ');
}

function mteval13a(line: string): string {
  let text = line.replaceAll('<skipped>', '').replaceAll('-\n', '').replaceAll('\n', ' ');
  text = text
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return splitWesternPunctuation(` ${text} `);
}

/**
 * What sacreBLEU 2.6 takes for a Chinese character. Its table writes the two supplementary ranges as `'\u20000'`,
 * which Python reads as U+2000 followed by "0"; compared as strings they become U+2001 to U+2A6D and U+2F81 to
 * U+2FA1. So dashes, ellipses, curly quotes and arrows are split off, and Extension B is not. Kept, as scores
 * are only comparable with others' if the mistake is the same.
 */
const CHINESE =
  /[\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef]/gu;

function chinese(line: string): string {
  return splitWesternPunctuation(trim(line).replace(CHINESE, ' $& '));
}

/** mteval-v14's international rules: by Unicode category, entities left alone. */
function international(line: string): string {
  return line
    .replace(/(\P{N})(\p{P})/gu, '$1 $2 ')
    .replace(/(\p{P})(\P{N})/gu, ' $1 $2')
    .replace(/\p{S}/gu, ' $& ');
}

const SPACED: Record<BleuTokenizer, (line: string) => string> = {
  '13a': mteval13a,
  zh: chinese,
  char: (line) => Array.from(line).join(' '),
  intl: international,
  none: (line) => line,
};

/** Tokens of one line, exactly as `sacrebleu --tokenize NAME` (2.6.0) splits it. */
export function tokenizeForBleu(line: string, tokenizer: BleuTokenizer): string[] {
  return splitWords(SPACED[tokenizer](line));
}
