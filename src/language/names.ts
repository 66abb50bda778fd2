/** Languages as people write them: `pt_BR`, `Portuguese`, `por`, `français`. */
import { UserError } from '../errors.ts';
import { editDistance } from './edit-distance.ts';

/** The languages that Whisper has tokens for, in its order. */
const WHISPER_LANGUAGES = (
  'en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy ' +
  'sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo ' +
  'uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue'
).split(' ');
/** Names of OpenAI's and Hugging Face's table (`TO_LANGUAGE_CODE`) that Unicode's data lacks. */
const ALIASES: Readonly<Record<string, string>> = {
  bengali: 'bn',
  castilian: 'es',
  flemish: 'nl',
  haitian: 'ht',
  letzeburgesch: 'lb',
  mandarin: 'zh',
  maori: 'mi',
  moldavian: 'ro',
  moldovan: 'ro',
  myanmar: 'my',
  nynorsk: 'nn',
  panjabi: 'pa',
  pushto: 'ps',
  sinhalese: 'si',
  tagalog: 'tl',
  valencian: 'ca',
};

const english = new Intl.DisplayNames('en', { type: 'language', fallback: 'none' });

let names: Map<string, string> | undefined;

/** Codes by name in small letters: in English, and in the language itself. */
function namedLanguages(): Map<string, string> {
  if (names) return names;
  names = new Map();
  for (const code of WHISPER_LANGUAGES) {
    const own = new Intl.DisplayNames(code, { type: 'language', fallback: 'none' });
    for (const name of [english.of(code), own.of(code)]) {
      if (name !== undefined && !names.has(name.toLowerCase())) names.set(name.toLowerCase(), code);
    }
  }
  for (const [name, code] of Object.entries(ALIASES)) names.set(name, code);
  return names;
}

/**
 * The code of a language that is written out: `Portuguese`, `HINDI`, `français`, `mandarin`; also that of a token,
 * `<|hi|>`. Others are returned unchanged.
 */
export function codeOfName(given: string): string {
  const text = given.trim().replace(/^<\|(.*)\|>$/, '$1');
  // Codes are short, and not looked up: a table of names is not made for them.
  if (/^[a-z]{2,3}(?:[-_]|$)/i.test(text)) return text;
  return namedLanguages().get(text.toLowerCase()) ?? text;
}

/** The name of a language in English; undefined for a code that is none. */
export function englishName(code: string): string | undefined {
  // A look-up takes 8 µs, and a manifest has one in each row.
  if (englishNames.has(code)) return englishNames.get(code);
  const name = english.of(code);
  if (englishNames.size < MAX_NAMES) englishNames.set(code, name);
  return name;
}

const englishNames = new Map<string, string | undefined>();
/** More codes than there are languages are no codes. */
const MAX_NAMES = 10_000;

/** Languages that were meant by a text that is none: by a country (`jp`), a slip, or the beginning of a name. */
function nearLanguages(given: string): string[] {
  const text = given.trim().toLowerCase();
  const known = namedLanguages();
  if (/^[a-z]{2}$/.test(text)) {
    const { language, region } = new Intl.Locale(`und-${text}`).maximize();
    // A code that is no country's is completed to English.
    return new Intl.DisplayNames('en', { type: 'region', fallback: 'none' }).of(region ?? text) &&
      language !== 'en'
      ? [language]
      : [];
  }
  const most = text.length < 6 ? 1 : 2;
  const near = [...known]
    .map(([name, code]) => ({
      code,
      distance: text.length > 3 && name.startsWith(text) ? 0 : editDistance(name, text),
    }))
    .filter(({ distance }) => distance <= most && text.length > 2)
    .sort((a, b) => a.distance - b.distance);
  return [...new Set(near.map(({ code }) => code))].slice(0, 3);
}

/** The end of a message on a text that names no language: `; did you mean ja (Japanese)?`, or '' where none is like it. */
export function didYouMean(given: string): string {
  const near = nearLanguages(given).map((code) => `${code} (${english.of(code)})`);
  return near.length > 0 ? `; did you mean ${near.join(' or ')}?` : '';
}

/** The error for a text that names no language. @param where the flag or file, with a colon: `--from: ` */
export const unknownLanguage = (given: string, where = ''): UserError =>
  new UserError(
    `${where}found ${JSON.stringify(given)}; expected a language, such as fr, pt-BR, French or <|fr|>${didYouMean(given)}`,
  );

/** Names in OpenAI's table where Unicode's data has others. */
const WHISPER_NAMES: Readonly<Record<string, string>> = {
  bn: 'bengali',
  mi: 'maori',
  my: 'myanmar',
  nn: 'nynorsk',
  tl: 'tagalog',
};

/** The name of a language as OpenAI's API has it, in small letters; a code that is none is its own. */
export const whisperName = (code: string): string =>
  WHISPER_NAMES[code] ?? englishName(code)?.toLowerCase() ?? code;
