import { splitWords, WHITESPACE } from '../whitespace.ts';
import {
  DECIMALS,
  FOLLOWING_PREFIXES,
  MULTIPLIERS,
  MULTIPLIERS_SUFFIXED,
  NUMBER_WORDS,
  ONES,
  ONES_SUFFIXED,
  PRECEDING_PREFIXES,
  PREFIXES,
  SPECIALS,
  TENS,
  TENS_SUFFIXED,
  ZEROS,
} from './number-words.ts';

// Ported from openai/whisper (MIT, Copyright (c) 2022 OpenAI) by way of Hugging Face transformers (Apache-2.0).

/** A number read so far: an integer while its words add up, text once digits are strung together ("one oh one"). */
type Value = bigint | string | undefined;

/** Python's `\b` beside a word character: letters and numbers of all scripts, where JavaScript's is ASCII alone. */
export const WORD_START = '(?<![\\p{L}\\p{N}_])';
export const WORD_END = '(?![\\p{L}\\p{N}_])';

const NUMERIC = /^\p{Nd}+(\.\p{Nd}+)?$/u;
const HALF = new RegExp(`${WORD_START}and[${WHITESPACE}]+a[${WHITESPACE}]+half${WORD_END}`, 'u');
const SUFFIX_AFTER_SPACE = new RegExp(`([0-9])[${WHITESPACE}]+(st|nd|rd|th|s)${WORD_END}`, 'gu');
const DOLLARS_AND_CENTS = new RegExp(`([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})${WORD_END}`, 'gu');
const CENTS_ALONE = new RegExp(`[€£$]0[^\\n]([0-9]{1,2})${WORD_END}`, 'gu');
const LONE_ONE = new RegExp(`${WORD_START}1(s?)${WORD_END}`, 'gu');

/** ASCII digits for decimal digits of any script: their blocks are runs of ten that begin with zero. */
function asciiDigits(text: string): string {
  return text.replace(/[^\P{Nd}0-9]/gu, (digit) => {
    const code = digit.codePointAt(0)!;
    let zero = code;
    while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
    return String((code - zero) % 10);
  });
}

/** The integer that a decimal text times `factor` gives; undefined when it is no decimal or no integer comes out. */
function scaledInteger(decimal: string, factor: bigint): bigint | undefined {
  const parts = /^(?=\d|\.\d)(\d*)(?:\.(\d*))?$/.exec(asciiDigits(decimal));
  if (!parts) return undefined;
  const fraction = parts[2] ?? '';
  const scaled = BigInt(`${parts[1]}${fraction}`) * factor;
  const scale = 10n ** BigInt(fraction.length);
  return scaled % scale === 0n ? scaled / scale : undefined;
}

/** Text that comes before newly read digits: nothing for no number, and nothing for 0, as the original has it. */
function digitsSoFar(value: Value): string {
  return value ? String(value) : '';
}

/** Adds a number below 100 to what was read; digits are strung together where adding makes no sense. */
function append(value: Value, number: bigint, room: bigint): bigint | string {
  if (value === undefined) return number;
  if (typeof value === 'string' || value % room !== 0n) return `${value}${number}`;
  return value + number;
}

function appendOnes(value: Value, ones: bigint, previous: string | undefined): bigint | string {
  if (value !== undefined && (typeof value === 'string' || ONES.has(previous ?? ''))) {
    // "nineteen twenty one": the 0 of twenty gives way
    if (TENS.has(previous ?? '') && ones < 10n) return String(value).slice(0, -1) + ones;
    return `${value}${ones}`;
  }
  return append(value, ones, ones < 10n ? 10n : 100n);
}

function multiply(value: bigint, multiplier: bigint): bigint {
  return (value / 1000n) * 1000n + (value % 1000n) * multiplier;
}

/** Words with spelled-out numbers in digits: "two hundred dollars" gives "$200". */
function readNumbers(words: readonly string[]): string[] {
  const output: string[] = [];
  let prefix = '';
  let value: Value;
  const write = (result: string | bigint) => {
    output.push(`${prefix}${result}`);
    value = undefined;
    prefix = '';
  };
  const writeValue = () => {
    if (value !== undefined) write(value);
  };

  for (let i = 0; i < words.length; i++) {
    const current = words[i]!;
    const previous = words[i - 1];
    const next = words[i + 1] ?? '';
    const nextIsNumber = NUMBER_WORDS.has(next) || NUMERIC.test(next);
    const hasPrefix = PREFIXES.has(current[0]!);
    const unsigned = hasPrefix ? current.slice(1) : current;

    if (NUMERIC.test(unsigned)) {
      if (typeof value === 'string' && value.endsWith('.')) {
        value += current; // decimals, or the parts of an address
        continue;
      }
      writeValue();
      if (hasPrefix) prefix = current[0]!;
      value = scaledInteger(unsigned, 1n) ?? unsigned;
    } else if (!NUMBER_WORDS.has(current)) {
      writeValue();
      write(current);
    } else if (ZEROS.has(current)) {
      value = `${digitsSoFar(value)}0`;
    } else if (ONES.has(current)) {
      value = appendOnes(value, ONES.get(current)!, previous);
    } else if (ONES_SUFFIXED.has(current)) {
      const [ones, suffix] = ONES_SUFFIXED.get(current)!;
      write(appendOnes(value, ones, previous) + suffix);
    } else if (TENS.has(current)) {
      value = append(value, TENS.get(current)!, 100n);
    } else if (TENS_SUFFIXED.has(current)) {
      const [tens, suffix] = TENS_SUFFIXED.get(current)!;
      write(append(value, tens, 100n) + suffix);
    } else if (MULTIPLIERS.has(current)) {
      const multiplier = MULTIPLIERS.get(current)!;
      if (typeof value === 'bigint') {
        value = multiply(value, multiplier);
      } else {
        const product = value === undefined ? multiplier : scaledInteger(value, multiplier);
        if (product === undefined) writeValue();
        value = product ?? multiplier;
      }
    } else if (MULTIPLIERS_SUFFIXED.has(current)) {
      const [multiplier, suffix] = MULTIPLIERS_SUFFIXED.get(current)!;
      if (typeof value === 'bigint') {
        write(multiply(value, multiplier) + suffix);
      } else {
        const product = value === undefined ? multiplier : scaledInteger(value, multiplier);
        if (product === undefined) writeValue();
        write((product ?? multiplier) + suffix);
      }
    } else if (PRECEDING_PREFIXES.has(current)) {
      writeValue();
      if (nextIsNumber) prefix = PRECEDING_PREFIXES.get(current)!;
      else write(current);
    } else if (FOLLOWING_PREFIXES.has(current)) {
      if (value !== undefined) prefix = FOLLOWING_PREFIXES.get(current)!;
      write(value ?? current);
    } else if (current === 'percent' || (current === 'per' && next === 'cent' && value !== undefined)) {
      if (current === 'per') i++;
      write(value === undefined ? current : `${value}%`);
    } else if (current === 'per' || (SPECIALS.has(current) && !nextIsNumber)) {
      writeValue();
      write(current);
    } else if (current === 'and') {
      // "two hundred and five": nothing to write after a multiplier
      if (!MULTIPLIERS.has(previous ?? '')) {
        writeValue();
        write(current);
      }
    } else if (current === 'point') {
      if (DECIMALS.has(next) || NUMERIC.test(next)) value = `${digitsSoFar(value)}.`;
    } else if (ONES.has(next) || ZEROS.has(next)) {
      value = digitsSoFar(value) + String(ONES.get(next) ?? 0n).repeat(current === 'double' ? 2 : 3);
      i++;
    } else {
      writeValue();
      write(current);
    }
  }
  writeValue();
  return output;
}

/** "<number> and a half" as "<number> point five", blanks between digits and letters, "1960 s" as "1960s". */
function preprocess(text: string): string {
  const segments = text.split(HALF);
  const parts = segments.flatMap((segment, i) => {
    const words = splitWords(segment);
    if (words.length === 0) return [];
    if (i === segments.length - 1) return [segment];
    const last = words.at(-1)!;
    return [segment, DECIMALS.has(last) || MULTIPLIERS.has(last) ? 'point five' : 'and a half'];
  });
  return parts
    .join(' ')
    .replace(/([a-z])([0-9])/gu, '$1 $2')
    .replace(/([0-9])([a-z])/gu, '$1 $2')
    .replace(SUFFIX_AFTER_SPACE, '$1$2');
}

/** "$2 and ¢7" as "$2.07", "$0.07" as "¢7", and a lone 1 as "one". */
function postprocess(text: string): string {
  return text
    .replace(
      DOLLARS_AND_CENTS,
      (_, currency, whole, cents) => `${currency}${whole}.${cents.padStart(2, '0')}`,
    )
    .replace(CENTS_ALONE, (_, cents) => `¢${Number(cents)}`)
    .replace(LONE_ONE, 'one$1');
}

/** Spelled-out numbers of lowercase English in digits, with currency signs before and % after them. */
export function normalizeEnglishNumbers(text: string): string {
  return postprocess(readNumbers(splitWords(preprocess(text))).join(' '));
}
