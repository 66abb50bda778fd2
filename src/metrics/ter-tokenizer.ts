import { splitWords } from '../language/whitespace.ts';

export interface TerTokenizerOptions {
  /** Decode entities and split punctuation off. @default false */
  normalized?: boolean;
  /** Remove punctuation. @default false */
  noPunctuation?: boolean;
  /** With `normalized`, make each Chinese character a token; with `noPunctuation`, remove CJK marks too. @default false */
  asianSupport?: boolean;
  /** @default false: everything is lowercased */
  caseSensitive?: boolean;
}

const ASIAN_PUNCTUATION = /[\u3001\u3002\u3008-\u3011\u3014-\u301f\uff61-\uff65\u30fb]/gu;
const FULL_WIDTH_PUNCTUATION = /[\uff0e\uff0c\uff1f\uff1a\uff1b\uff01\uff02\uff08\uff09]/gu;

function normalizeWestern(line: string): string {
  let text = line.replaceAll('\n-', '').replaceAll('\n', ' ');
  text = text
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return ` ${text} `
    .replace(/([{-~[-` -&(-+:-@/])/gu, ' $1 ')
    .replaceAll("'s ", " 's ")
    .replace(/([^0-9])([.,])/gu, '$1 $2 ')
    .replace(/([.,])([^0-9])/gu, ' $1 $2')
    .replace(/([0-9])(-)/gu, '$1 $2 ');
}

/**
 * Splits Chinese characters. Tercom's rules for runs of kana are omitted: as sacreBLEU writes them they are tied
 * to the start of the line, which by now is always a blank, so they never apply. The block that ends at U+3F22
 * is sacreBLEU's slip for U+32FF and kept.
 */
function normalizeAsian(text: string): string {
  return text
    .replace(/[\u4e00-\u9fff\u3400-\u4dbf]/gu, ' $& ')
    .replace(/[\u31c0-\u31ef\u2e80-\u2eff]/gu, ' $& ')
    .replace(/[\u3300-\u33ff\uf900-\ufaff\ufe30-\ufe4f]/gu, ' $& ')
    .replace(/[\u3200-\u3f22]/gu, ' $& ')
    .replace(ASIAN_PUNCTUATION, ' $& ')
    .replace(FULL_WIDTH_PUNCTUATION, ' $& ');
}

/** Tokens of one line as sacreBLEU's Tercom tokenizer makes them. */
export function tokenizeForTer(line: string, options: TerTokenizerOptions = {}): string[] {
  let text = options.caseSensitive ? line : line.toLowerCase();
  if (options.normalized) {
    text = normalizeWestern(text);
    if (options.asianSupport) text = normalizeAsian(text);
  }
  if (options.noPunctuation) {
    text = text.replace(/[.,?:;!"()]/gu, '');
    if (options.asianSupport) text = text.replace(ASIAN_PUNCTUATION, '').replace(FULL_WIDTH_PUNCTUATION, '');
  }
  return splitWords(text);
}
