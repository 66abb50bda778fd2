/** Language profiles: script, spaces between words, normalisers, tokenizer and the forms of Chinese, in one place. */

import { toSimplified, toTraditional } from './chinese.ts';
import { normalizeEnglish } from './english/normalize-english.ts';
import { codeOfName, englishName, unknownLanguage } from './names.ts';
import { normalizeBasic } from './normalize-basic.ts';

export interface LanguageProfile {
  /** Whisper's code, or BCP 47's where Whisper has none; with script or region where they were given: zh-Hant. */
  readonly code: string;
  /** The code without script and region, which Whisper's language tokens are named by. */
  readonly base: string;
  /** BCP 47, for `lang` attributes; '' where `code` is not a language code. */
  readonly tag: string;
  /** ISO 15924 (Latn, Cyrl, Jpan); undefined for a language that Unicode's data does not know. */
  readonly script: string | undefined;
  /** Whether spaces stand between words. Where not, characters are counted in place of words. */
  readonly spaces: boolean;
  /** BLEU tokenizer as sacreBLEU advises; `char` replaces `ja-mecab`, which needs a dictionary, where it is not installed. */
  readonly bleuTokenizer: 'zh' | 'ja-mecab' | 'char' | '13a';
  /** The form in which references are trained on and compared: Chinese in the characters that are wanted. */
  readonly reference: (text: string) => string;
  /** Name of the conversion that `reference` makes, for signatures; undefined: none. */
  readonly form: string | undefined;
  /** Whisper's normaliser, which transcripts pass before they are compared. */
  readonly transcript: (text: string, options?: { splitLetters?: boolean }) => string;
}

/** Scripts without spaces between words, each with the language best known for it. All else comes from Unicode's data. */
const WITHOUT_SPACES: Readonly<Record<string, string>> = {
  Hans: 'zh',
  Hant: 'zh-Hant',
  Jpan: 'ja',
  Thai: 'th',
  Laoo: 'lo',
  Khmr: 'km',
  Mymr: 'my',
  Tibt: 'bo',
};
/** For texts of unknown language. */
export const LANGUAGES_WITHOUT_SPACES: readonly string[] = Object.values(WITHOUT_SPACES);
/** Tokenizers of BLEU by script; without spaces it is `char`, else `13a`. */
const TOKENIZER_OF_SCRIPT: Readonly<Record<string, LanguageProfile['bleuTokenizer']>> = {
  Hans: 'zh',
  Hant: 'zh',
  Jpan: 'ja-mecab',
};
/** Whisper's own codes where they are not BCP 47's. */
const WHISPER_CODES: Readonly<Record<string, string>> = { jv: 'jw', fil: 'tl', nb: 'no' };
/** Written in two forms of the same characters; without a script in the code in the Simplified ones. */
const CHINESE = ['zh', 'yue'];

const profiles = new Map<string, LanguageProfile>();
/** A column of languages may hold anything, such as a text in each of a million rows. */
const MAX_PROFILES = 10_000;

/**
 * The profile of a language. Any code has one: a language without a row of its own gets the script of Unicode's likely
 * subtags (CLDR), and spaces where that script has them.
 *
 * @param code BCP 47, Whisper's (`jw`, `tl`, `no`) or ISO 639-3's (`por`), `_` in place of `-` and any case; or a name:
 * `Portuguese`, `português`
 */
export function languageProfile(code: string): LanguageProfile {
  const known = profiles.get(code);
  if (known) return known;
  const profile = profileOf(code);
  if (profiles.size < MAX_PROFILES) profiles.set(code, profile);
  return profile;
}

function profileOf(given: string): LanguageProfile {
  const named = codeOfName(given);
  const locale = localeOf(named);
  const base = locale ? (WHISPER_CODES[locale.language] ?? locale.language) : named;
  const code = [base, locale?.script, locale?.region].filter(Boolean).join('-');
  const chinese = CHINESE.includes(base);
  const likely = locale?.maximize().script;
  const script = chinese && code === base ? 'Hans' : likely;
  const spaces = script === undefined || !(script in WITHOUT_SPACES);
  const asItIs = (text: string): string => text;
  const reference = !chinese ? asItIs : script === 'Hans' ? toSimplified : toTraditional;
  return {
    code,
    base,
    tag: locale?.toString() ?? '',
    script,
    spaces,
    bleuTokenizer: TOKENIZER_OF_SCRIPT[script ?? ''] ?? (spaces ? '13a' : 'char'),
    reference,
    form: chinese ? `in ${script === 'Hans' ? 'Simplified' : 'Traditional'} characters` : undefined,
    transcript: (text, options) =>
      base === 'en' ? normalizeEnglish(text) : normalizeBasic(reference(text), options),
  };
}

/**
 * The profile of a language that a user named.
 * @param where the flag or file, for messages: `--from: `
 * @throws UserError, with languages of a similar name, for a text that names none
 */
export function namedLanguage(given: string, where?: string): LanguageProfile {
  const profile = languageProfile(given);
  if (!isLanguage(given)) throw unknownLanguage(given, where);
  return profile;
}

/** Whether a text names a language. */
export function isLanguage(given: string): boolean {
  const { tag } = languageProfile(given);
  return tag !== '' && englishName(tag.split('-')[0]!) !== undefined;
}

/**
 * The code of a language by whatever name a manifest gives it. Labels that say more than a language (`en_robot`), or are
 * none, are returned unchanged.
 */
export function spokenCode(given: string): string {
  if (given === '') return '';
  const { code, tag } = languageProfile(given);
  const isWhole = tag.split('-').length === code.split('-').length;
  return isWhole && englishName(tag.split('-')[0]!) !== undefined ? code : given;
}

function localeOf(code: string): Intl.Locale | undefined {
  try {
    return new Intl.Locale(code.replaceAll('_', '-'));
  } catch {
    return undefined; // no code of a language at all
  }
}

/**
 * Whether texts in one language serve where the other is wanted: pt and pt-BR do, pt-BR and pt-PT do not. All forms of
 * Chinese do, as their characters are converted.
 */
export function sameLanguage(a: string, b: string): boolean {
  const [one, other] = [languageProfile(a), languageProfile(b)];
  if (one.base !== other.base) return false;
  const isGeneral = ({ code, base }: LanguageProfile): boolean => code === base || CHINESE.includes(base);
  return one.code === other.code || isGeneral(one) || isGeneral(other);
}
