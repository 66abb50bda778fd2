/**
 * White space as Python's `str` sees it. sacreBLEU, jiwer and Whisper's normalisers all lean on `str.split()`,
 * `str.rstrip()` and `\s`, and JavaScript's own notion differs in six characters: it lacks U+001C to U+001F and
 * U+0085, and has U+FEFF. A score that must equal theirs cannot use `\s`, `split` or `trim` of JavaScript.
 */
export const WHITESPACE =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const RUN = new RegExp(`[${WHITESPACE}]+`, 'u');
const IS_SPACE = new RegExp(`[${WHITESPACE}]`, 'u');

/** Words between runs of white space, none of them empty: Python's `text.split()`. */
export function splitWords(text: string): string[] {
  const words = text.split(RUN);
  if (words[0] === '') words.shift();
  if (words.length > 0 && words[words.length - 1] === '') words.pop();
  return words;
}

/** Python's `text.rstrip()`. Walks from the end, as a regular expression would be quadratic in runs of blanks. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && IS_SPACE.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** Python's `text.strip()`. */
export function trim(text: string): string {
  const trimmed = trimEnd(text);
  let start = 0;
  while (start < trimmed.length && IS_SPACE.test(trimmed[start]!)) start++;
  return trimmed.slice(start);
}
