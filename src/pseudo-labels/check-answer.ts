/** Whether an answer is a translation of its sentence, judged by signs that need no second translation. */
import { sameLanguage } from '../language/profile.ts';
import { hallucinationMarkers } from '../metrics/hallucination.ts';
import { isTargetLanguage } from '../metrics/off-target.ts';
import type { Sentence } from './sentence.ts';

/** Why an answer is not used; each with the words that the service is told when it is asked again. */
export const FAULTS = {
  empty: 'it was empty',
  refusal: 'it was no translation but a refusal',
  chatter: 'there was more in it than the translation: an introduction, a note or several versions',
  copied: 'it was the sentence itself',
  language: 'it was not in the language asked for',
  length: 'it was far longer or shorter than the sentence',
  loop: 'it repeated itself',
  numbers: 'a number of the sentence was not in it',
} as const;
export type Fault = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as readonly Fault[];

/** Pairs of quotation marks that models put around a text. */
const QUOTES = ['""', "''", '“”', '‘’', '«»', '„“', '「」', '『』', '``'];

/** An answer on one line, without quotation marks around it where the sentence has none. */
export function cleanAnswer(answer: string, source: string): string {
  const line = answer.replace(/\s+/g, ' ').trim();
  const inQuotes = (text: string): boolean =>
    text.length > 2 &&
    QUOTES.some((pair) => {
      const inside = text.slice(1, -1);
      return (
        text[0] === pair[0] && text.at(-1) === pair[1] && ![...pair].some((mark) => inside.includes(mark))
      );
    });
  return inQuotes(line) && !/^["'“‘«„「『]/.test(source.trim()) ? line.slice(1, -1).trim() : line;
}

/** Words of models about themselves; where the sentence has them, too, they are its translation. */
const REFUSAL =
  /\bas an? (?:AI|artificial intelligence|language model)\b|\b(?:AI|language) (?:assistant|model)\b|\b(?:can(?:no|')t|unable to|not able to|won't) (?:help|assist|translate|provide|fulfil|comply)|作为(?:一个)?(?:AI|人工智能|语言模型)|(?:无法|不能)(?:翻译|提供翻译|协助|满足您)/i;
const COLON = '\\s*[:\\uff1a]';
const BRACKET = '[(\\uff08\\[]\\s*';
/** What stands around a translation, in English and Chinese, which models mostly write it in. */
const CHATTER = new RegExp(
  [
    '^(?:sure|certainly|of course|okay)[,!.:]? (?:here|the|i)\\b',
    "\\b(?:here(?:'s| is| are)|below is) (?:the|your|a|my) (?:\\w+ )?translations?\\b",
    `^(?:the )?(?:\\w+ )?translations?(?: \\w+){0,3}${COLON}`,
    `^(?:${BRACKET})?(?:notes?|explanation|注|注释|说明|译文|译|翻译|以下是(?:翻译|译文))${COLON}`,
    `${BRACKET}(?:note|translator(?:'s note)?|literally|lit\\.|alternatively|注|译注|直译)${COLON}`,
    `\\b(?:alternatively|another (?:option|version|translation))\\s*[,:\\uff1a]`,
    '```|\\*\\*|\\{"|"translations"|</?(?:think|translation|source|target)>',
  ].join('|'),
  'i',
);
const SEVERAL = /^\s*(?:[*•]|\(?\d{1,2}[.)])\s+\S/;
/** Laughter and the like, which is a loop in any language. */
const REPEATED = /(.{1,4})\1{2,}/iu;

/**
 * Length of a text in letters of an alphabet: a Chinese character stands for about three of them, a syllable of Hangul for
 * two, a kana for one and a half.
 */
function spokenLength(text: string): number {
  let length = 0;
  for (const character of text) {
    if (/\p{Script=Han}/u.test(character)) length += 3;
    else if (/\p{Script=Hangul}/u.test(character)) length += 2;
    else if (/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(character)) length += 1.5;
    else if (/[\p{L}\p{N}]/u.test(character)) length += 1;
  }
  return length;
}

/** Bounds of the ratio of lengths, with letters that a short sentence may have more or less. */
const MAX_RATIO = 3;
const SLACK = 15;

/** Numbers of two digits and more, without separators and zeros at the end: `1,200,000` and `120 万` have the same. */
function numbersIn(text: string): string[] {
  const digits = text.replace(/\p{Nd}/gu, (digit) => String(digitValue(digit)));
  const joined = digits.replace(/(?<=\d)[.,'’٫٬\u00a0\u202f ](?=\d)/g, '');
  return (joined.match(/\d{2,}/g) ?? [])
    .map((number) => number.replace(/0+$/, ''))
    .filter((n) => n.length > 1);
}

/** Unicode's decimal digits stand in runs of ten that begin with zero. */
function digitValue(digit: string): number {
  const ascii = digit.charCodeAt(0) - 48;
  if (ascii >= 0 && ascii <= 9) return ascii;
  const point = digit.codePointAt(0)!;
  let zero = point;
  while (point - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return point - zero;
}

const CHINESE_NUMERAL = /[〇零一二三四五六七八九十百千万亿兩两]/;

const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/**
 * The first fault of an answer; undefined for a translation that may be used, as {@link cleanAnswer} leaves it.
 * `loadIdentifier(target)` comes first.
 * @param accepted faults that are let pass
 */
export function faultOf(
  { text, language }: Sentence,
  raw: string,
  target: string,
  accepted: readonly Fault[] = [],
): Fault | undefined {
  const answer = cleanAnswer(raw, text);
  const isNew = (pattern: RegExp): boolean => pattern.test(answer) && !pattern.test(text);
  const tests: Readonly<Record<Fault, () => boolean>> = {
    empty: () => plain(answer) === '' && plain(text) !== '',
    refusal: () => isNew(REFUSAL),
    chatter: () => isNew(CHATTER) || isNew(SEVERAL) || /\S\s*\n\s*\S/.test(raw),
    // A name, or "OK", may stay as it is.
    copied: () =>
      plain(answer) === plain(text) && text.trim().split(/\s+/).length > 3 && !sameLanguage(language, target),
    // Of digits and signs alone there is nothing to translate.
    language: () => /\p{L}/u.test(text) && !isTargetLanguage(answer, target),
    length: () => {
      const [ours, theirs] = [spokenLength(answer), spokenLength(text)];
      return ours > MAX_RATIO * theirs + SLACK || theirs > MAX_RATIO * ours + SLACK;
    },
    loop: () => loopsIn(answer) >= MIN_LOOP && loopsIn(text) < MIN_LOOP && !REPEATED.test(text),
    numbers: () => {
      // Written out in numerals of Chinese, it cannot be compared.
      if (CHINESE_NUMERAL.test(answer)) return false;
      const said = numbersIn(answer).join(' ');
      return numbersIn(text).some((number) => !said.includes(number));
    },
  };
  return FAULT_NAMES.find((fault) => !accepted.includes(fault) && tests[fault]());
}

/** Repetitions in a row of one to eight words, from which a text is a loop. */
const MIN_LOOP = 4;
const loopsIn = (text: string): number => hallucinationMarkers(text, text).longestLoop;
