/** Texts that no voice reads as they are written: they are left out before anything is spoken. */
import { languageProfile } from '../language/profile.ts';
import { letterIn, scriptsOf } from '../language/script.ts';

/** Texts above it are longer than 30 s in any voice: people speak at most 25 letters a second, or 8 characters of Chinese. */
const MAX_LETTERS = 750;
const MAX_CHARACTERS = 240;

const ADDRESS =
  /https?:\/\/|\bwww\.|\b[\w.+-]+@[\w-]+\.\w|\b[\w-]+\.(?:com|org|net|edu|gov|io|html?|pdf)\b/iu;
/** Marks of code, tables and chats; read aloud, left out or named, as the voice likes. */
const MARKS = /[{}[\]<>|\\^~_=*#@\p{Extended_Pictographic}]/u;
/** What the dash and quotes of typography are to engines that know ASCII only. */
const PLAIN: readonly (readonly [RegExp, string])[] = [
  [/[‘’‚‛]/g, "'"],
  [/[“”„‟«»]/g, '"'],
  [/[‐‑]/g, '-'],
  [/[–—―]/g, ', '],
  [/…/g, '...'],
  [/\p{Cc}|\p{Cf}/gu, ' '],
];

/** Why a text cannot be spoken, in a few words that are the same for all texts of the kind; undefined: it can. */
export function whyUnreadable(text: string, language: string): string | undefined {
  if (text.trim() === '') return 'no text';
  if (ADDRESS.test(text)) return 'a web or mail address';
  const letters = text.match(/\p{L}/gu) ?? [];
  const scripts = scriptsOf(language);
  const own = letterIn(scripts);
  if (letters.length === 0) return 'no letters';
  if (scripts.length > 0 && letters.some((letter) => !own.test(letter) && !/\p{Script=Common}/u.test(letter)))
    return 'letters of another script';
  // ©, ® and ™ are pictographs, too, for Unicode; digits and # are not, but may become ones.
  if (MARKS.test(text.replace(/[0-9©®™]/g, ''))) return 'marks that are not read aloud';
  const most = languageProfile(language).spaces ? MAX_LETTERS : MAX_CHARACTERS;
  return letters.length > most ? 'longer than 30 s' : undefined;
}

/** The text as engines read it: its quotes and dashes in ASCII, in one line. */
export function spokenForm(text: string): string {
  let plain = text;
  for (const [pattern, replacement] of PLAIN) plain = plain.replace(pattern, replacement);
  return plain.replace(/\s+/g, ' ').trim();
}
