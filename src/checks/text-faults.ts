/** What is wrong with a text by itself: its script and language, leftovers of files that it came from, lost characters. */
import { excerpt } from '../errors.ts';
import { countWords, identifierName, isLikelyIn, loadIdentifier } from '../language/identify.ts';
import { isLanguage, languageProfile, sameLanguage } from '../language/profile.ts';
import { letterIn, scriptsOf } from '../language/script.ts';
import type { FindingKind } from './kinds.ts';

export interface TextFault {
  readonly kind: FindingKind;
  readonly found: string;
}

/** Of the words: names and words of other languages may stay in their script. The share that the off-target rate has of letters. */
const MIN_OWN = 0.5;
/** Of two letters one is often a sign: "A + B", "x = 5". */
const MIN_LETTERS = 3;
/**
 * Words from which a text's language is told. Of texts of 3 or 4 words 2.5 in 100 right ones would be reported, of 5 to 10
 * 0.6, of more 0.1 (docs/lab/language-identification.md).
 */
const MIN_WORDS_OF_LANGUAGE = 6;
/** The same in two languages: shorter texts are names, numbers and interjections. */
const MIN_WORDS_OF_COPY = 4;
/** Likewise, in letters, where no spaces stand between words. */
const MIN_LETTERS_OF_COPY = 8;

/** Languages that are also written in another script than the one of Unicode's likely subtags. */
const ALSO_WRITTEN_IN: Readonly<Record<string, readonly string[]>> = {
  az: ['Cyrillic', 'Arabic'],
  bs: ['Cyrillic'],
  ha: ['Arabic'],
  jw: ['Javanese'],
  kk: ['Latin', 'Arabic'],
  ku: ['Arabic', 'Cyrillic'],
  ky: ['Latin', 'Arabic'],
  mn: ['Mongolian'],
  ms: ['Arabic'],
  pa: ['Arabic'],
  sd: ['Devanagari'],
  sr: ['Latin'],
  su: ['Sundanese'],
  tg: ['Latin'],
  tk: ['Cyrillic'],
  tt: ['Latin'],
  ug: ['Latin', 'Cyrillic'],
  uz: ['Cyrillic'],
  yue: ['Bopomofo'],
  zh: ['Bopomofo'],
};

const LETTERS = /\p{L}/gu;
const KANA_OR_HANGUL = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu;

const letterPatterns = new Map<string, RegExp | undefined>();

/** A letter that a language is written with; undefined for a language of unknown script. */
function ownLetter(language: string): RegExp | undefined {
  if (!letterPatterns.has(language)) {
    const scripts = isLanguage(language) ? scriptsOf(language) : [];
    const profile = languageProfile(language);
    const also = profile.code === profile.base ? (ALSO_WRITTEN_IN[profile.base] ?? []) : [];
    letterPatterns.set(language, scripts.length === 0 ? undefined : letterIn([...scripts, ...also]));
  }
  return letterPatterns.get(language);
}

/** Loads what {@link textFaults} needs for a language. */
export async function loadLanguage(language: string): Promise<void> {
  if (ownLetter(language)) await loadIdentifier(language);
}

/** @param language as a manifest names it; '' or one that is none: its script and language are not checked */
export function textFaults(text: string, language: string): TextFault[] {
  const faults = [mojibake(text, language), controls(text, language), markup(text)];
  const written = faults[0] ? undefined : writtenOtherwise(text, language);
  return [...faults, written].filter((fault) => fault !== undefined);
}

function writtenOtherwise(text: string, language: string): TextFault | undefined {
  const letter = ownLetter(language);
  if (!letter) return undefined;
  const letters = text.match(LETTERS) ?? [];
  if (letters.length < MIN_LETTERS) return undefined;
  const { script, base, spaces } = languageProfile(language);
  // Words, or where no spaces stand between them letters: "Tom帮Mary买了点果汁" is Chinese.
  let [own, foreign, foreignLetters] = [0, 0, 0];
  let example = '';
  for (const word of text.match(/[\p{L}\p{M}]+/gu) ?? []) {
    let [isOwn, isForeign] = [false, false];
    for (const one of word.match(LETTERS) ?? []) {
      if (letter.test(one)) {
        if (!spaces || !isOwn) own++;
        [isOwn, isForeign] = [true, false];
      } else {
        foreignLetters++;
        example ||= one;
        if (!isForeign) foreign++;
        isForeign = true;
      }
    }
  }
  if (own < MIN_OWN * (own + foreign)) {
    const share = Math.round((100 * foreignLetters) / letters.length);
    // One word may be a name: "YouTube".
    const kind =
      script !== 'Latn' && /^[\p{Script=Latin}\p{M}'’-]+$/u.test(text.trim()) ? 'language' : 'script';
    return { kind, found: `${share} % of the letters in another script ("${example}")` };
  }
  const isChinese = script === 'Hans' || script === 'Hant';
  const other = isChinese ? (text.match(KANA_OR_HANGUL) ?? []) : [];
  if (other.length > 0) {
    // A single の stands in names of Chinese shops.
    const kind = other.length >= MIN_LETTERS ? 'script' : 'language';
    return { kind, found: `Japanese or Korean letters ("${other[0]}")` };
  }
  if (countWords(text) < MIN_WORDS_OF_LANGUAGE || identifierName(language) === undefined) return undefined;
  return isLikelyIn(text, language)
    ? undefined
    : { kind: 'language', found: `words of another language than ${base}` };
}

/** HTML and XML elements, tokens of models (`<unk>`, `<|en|>`), entities, wiki and subtitle markup, escapes of JSON, doubled quotes of CSV. */
const MARKUP =
  /<\/?[a-z][a-z0-9]*(?:\s[^<>]*)?\/?>|<\|[^<>|]*\|>|&(?:[a-z]{2,8}|#\d{1,7}|#x[0-9a-f]{1,6});|\[\[|\]\]|\{\{|\}\}|'''|\{\\[a-z]|\\(?:"|[nrt](?![a-z]))|^".*"".*"$/i;

function markup(text: string): TextFault | undefined {
  const found = MARKUP.exec(text)?.[0];
  return found === undefined ? undefined : { kind: 'markup', found: excerpt(found) };
}

/** Characters without a sign: C0, C1, overrides of the direction of writing, a byte order mark within the text. */
const CONTROLS = /(?![\t\n\r])\p{Cc}|[\u202a-\u202e\u2060\u2066-\u2069\ufeff]/u;
/** Marks where a word may be broken, in scripts without spaces. */
const WORD_BREAK = /\u200b/;

function controls(text: string, language: string): TextFault | undefined {
  const found =
    CONTROLS.exec(text)?.[0] ?? (languageProfile(language).spaces ? WORD_BREAK.exec(text)?.[0] : undefined);
  if (found === undefined) return undefined;
  const code = found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
  return { kind: 'control', found: `U+${code}, which has no sign` };
}

/** Bytes 0x80 to 0x9f of Windows-1252; the others are those of Latin-1. */
const WINDOWS_1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';
const BEYOND_ASCII = /\P{ASCII}/u;
/** A character that begins one of UTF-8 of two to four bytes, and what may follow it. */
const SEQUENCE = /[\xc2-\xf4][\x80-\xbf\u0152-\u2122]{1,3}/gu;
/** Letters and signs that texts in Latin letters have beside ASCII's. */
const LATIN_SIGN = /^[\u00a0-\u017f\u1e00-\u1eff\u2010-\u2026\u20ac\u2122]+$/;

/**
 * UTF-8 that was read as Latin-1 or Windows-1252 ("FranÃ§ais", "donâ€™t"), or characters that were lost. A text counts where
 * all that is beyond ASCII in it is bytes of UTF-8, and what they say are letters of the language.
 */
function mojibake(text: string, language: string): TextFault | undefined {
  if (!BEYOND_ASCII.test(text)) return undefined;
  if (text.includes('\ufffd')) return { kind: 'mojibake', found: 'U+FFFD, in place of lost characters' };
  let example: string | undefined;
  const letter = ownLetter(language);
  const rest = text.replace(SEQUENCE, (sequence) => {
    const decoded = decodedUtf8(sequence);
    if (decoded === undefined) return sequence;
    const isSign = LATIN_SIGN.test(decoded) || (letter?.test(decoded) ?? false);
    if (!isSign) return sequence;
    example ??= `${excerpt(sequence)} for ${excerpt(decoded)}`;
    return '';
  });
  return example === undefined || BEYOND_ASCII.test(rest)
    ? undefined
    : { kind: 'mojibake', found: `UTF-8 read as another encoding: ${example}` };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Undefined where the characters are no bytes of UTF-8. */
function decodedUtf8(text: string): string | undefined {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.charCodeAt(0);
    const high = WINDOWS_1252.indexOf(character);
    if (code < 0x100 && !(code >= 0x80 && code < 0xa0 && high < 0)) bytes.push(code);
    else if (high >= 0) bytes.push(0x80 + high);
    else return undefined;
  }
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

/** What programs write for a missing value: pandas, R, SQL. */
const PLACEHOLDER = /^(?:nan|NaN|NULL|\\N|#N\/A)$/;

/** Whether a text says nothing: neither a letter nor a digit, or what stands for a missing value. */
export const isEmptyText = (text: string): boolean =>
  !/[\p{L}\p{N}]/u.test(text) || PLACEHOLDER.test(text.trim());

/** The letters and digits of a text, small: two that differ in case, marks and spaces only are the same sentence. */
export const sentenceOf = (text: string): string =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim();

/** Whether a sentence (see sentenceOf) is long enough to be known by its words. */
export function isTelling(sentence: string, language: string): boolean {
  return languageProfile(language).spaces
    ? sentence.split(' ', MIN_WORDS_OF_COPY).length >= MIN_WORDS_OF_COPY
    : sentence.replaceAll(' ', '').length >= MIN_LETTERS_OF_COPY;
}

/** Languages so close that a sentence may be the same in both. */
const NEAR = [
  ['no', 'nn', 'da'],
  ['hr', 'sr', 'bs'],
  ['id', 'ms'],
  ['zh', 'yue'],
];

/** Whether a translation is the text that it should translate. Both as sentenceOf gives them. */
export function isUntranslated(source: string, from: string, translation: string, to: string): boolean {
  if (source !== translation || sameLanguage(from, to)) return false;
  const bases = [languageProfile(from).base, languageProfile(to).base];
  if (NEAR.some((family) => bases.every((base) => family.includes(base)))) return false;
  return isTelling(source, from) && isTelling(translation, to);
}
